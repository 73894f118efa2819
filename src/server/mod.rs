//! The HTTP server, and what becomes of a connection that leaves HTTP.

mod descriptors;
mod upgrade;

pub use descriptors::raise_limit;

use crate::config::Config;
use crate::message::Stream;
use crate::routes::{self, AppState};
use actix_http::{Extensions, HttpService, Request};
use actix_service::{ServiceFactory, map_config};
use actix_web::dev::{AppConfig, Server, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, NormalizePath};
use actix_web::rt::net::TcpStream;
use actix_web::{App, Error, web};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use upgrade::Upgrade;

/// Connections waiting to be accepted: many clients come back in one moment after a restart.
const BACKLOG: i32 = 2048;

/// Serves the routes on `listener`. When told to stop, requests have `shutdown_timeout` to be answered.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(
    listener: TcpListener,
    config: &Config,
    state: web::Data<AppState>,
    shutdown_timeout: Duration,
) -> io::Result<Server> {
    let (streams, stats_path) = (config.streams.clone(), config.stats_path.clone());
    let address = listener.local_addr()?;
    let service = move || {
        let app = || app(state.clone(), &streams, &stats_path);
        HttpService::build()
            .local_addr(address)
            .tcp_nodelay(true)
            .on_connect_ext(keep_socket)
            .upgrade(Upgrade(app()))
            .finish(app())
            .tcp()
    };
    Ok(Server::build()
        .workers(config.workers)
        .disable_signals()
        .shutdown_timeout(shutdown_timeout.as_secs())
        .listen("http", listener, service)?
        .run())
}

/// What answers requests, those for an upgrade among them.
fn app(
    state: web::Data<AppState>,
    streams: &[Stream],
    stats_path: &str,
) -> impl ServiceFactory<Request, Config = (), Response = ServiceResponse, Error = Error, InitError = ()> + use<>
{
    let app = App::new()
        .wrap(NormalizePath::trim())
        .wrap(DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff")))
        .app_data(state)
        .configure(|app| routes::configure(app, streams, stats_path));
    map_config(app, |()| AppConfig::default())
}

/// Keeps a second descriptor of each connection's socket where a session over HTTP finds it.
fn keep_socket(stream: &TcpStream, data: &mut Extensions) {
    if let Ok(socket) = SockRef::from(stream).try_clone() {
        data.insert(Arc::new(socket));
    }
}

/// Listens on `address`; on both families for the unspecified IPv6 one, on IPv4 alone where there is no IPv6.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match bind(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && no_such_family(&error) => {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        result => result,
    }
}

fn no_such_family(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == Some(97 /* EAFNOSUPPORT */)
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}
