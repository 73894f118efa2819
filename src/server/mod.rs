//! The HTTP server: who is let in, what answers, and what becomes of a connection that leaves HTTP.

pub(crate) mod gate;
pub(crate) mod http;

use crate::config::Config;
use crate::routes::{self, AppState, Audience};
use crate::system::descriptors;
use crate::transport::Tls;
use actix_http::Request;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Server, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, Error, web};
use gate::Gate;
use http::{Http, Settings};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// Connections waiting to be accepted: many clients come back in one moment after a restart.
const BACKLOG: i32 = 2048;

/// Bytes that the kernel may hold of what a client has said, half of what it then takes including its bookkeeping.
pub(crate) const RECEIVE_BUFFER: usize = 32 * 1024;
/// Bytes that it may hold of answers to a client, likewise.
pub(crate) const ANSWER_BUFFER: usize = 128 * 1024;
/// Bytes of answers that may lie unsent before no more are taken.
pub(crate) const ANSWER_UNSENT: u32 = 96 * 1024;

/// The congestion control of connections that never leave this machine, those of a proxy in front of us above all. Where
/// the system's is BBR it paces each of them by timers, which spares the queues of a network; here there is none, and it
/// only costs a tenth of the time and delays the last of many clients. Accepted connections inherit this one, which is
/// part of every kernel and open to every process.
#[cfg(target_os = "linux")]
const UNPACED: &[u8] = b"reno";

/// Where is listened.
#[derive(Debug)]
pub struct Listeners {
    /// For clients.
    pub clients: TcpListener,
    /// For the statistics and the metrics, if not there.
    pub admin: Option<TcpListener>,
}

/// Serves the routes. When told to stop, requests have `shutdown_timeout` to be answered.
///
/// # Errors
/// When a listener cannot be used.
pub fn serve(
    listeners: Listeners,
    config: &Config,
    state: web::Data<AppState>,
    tls: Option<Arc<Tls>>,
    shutdown_timeout: Duration,
) -> io::Result<Server> {
    let server = Server::build()
        .workers(config.workers)
        // The gate limits connections, and tells so to those who are too many. Beyond these they wait to be accepted.
        .max_concurrent_connections(descriptors::most_accepted().div_ceil(config.workers))
        .disable_signals()
        .shutdown_timeout(shutdown_timeout.as_secs());
    let settings = Settings {
        live: state.live.clone(),
        counters: state.counters.clone(),
        connections: state.connections.clone(),
        patience: config.handshake_timeout,
    };
    let (slots, arrivals) = (state.slots.clone(), Arc::default());
    let gate = Gate { settings, slots, arrivals, tls, is_for_admins: false };
    let audience = if listeners.admin.is_some() { Audience::Clients } else { Audience::ClientsAndAdmins };
    let (paths, data, inside) = (routes::Paths::of(config), state.clone(), gate.clone());
    let clients = move || service(inside.clone(), data.clone(), audience, paths.clone());
    let server = server.listen("clients", listeners.clients, clients)?;
    let Some(listener) = listeners.admin else { return Ok(server.run()) };
    // Who may ask here is on a network of ours.
    let (paths, gate) = (routes::Paths::of(config), Gate { tls: None, is_for_admins: true, ..gate });
    let admin = move || service(gate.clone(), state.clone(), Audience::Admins, paths.clone());
    Ok(server.listen("admin", listener, admin)?.run())
}

/// What becomes of each connection.
fn service(
    gate: Gate,
    state: web::Data<AppState>,
    audience: Audience,
    paths: routes::Paths,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> {
    let http = Http { app: app(state, audience, &paths), settings: gate.settings.clone() };
    fn_service(move |tcp| {
        let gate = gate.clone();
        // Boxed, so that its memory is freed when it is done: otherwise it would be kept for as long as the connection.
        Box::pin(async move { gate.admit(tcp).await.ok_or(()) })
    })
    .into_factory()
    .and_then(http)
}

/// What answers requests.
fn app(
    state: web::Data<AppState>,
    audience: Audience,
    paths: &routes::Paths,
) -> impl ServiceFactory<Request, Config = (), Response = ServiceResponse, Error = Error, InitError = ()> + use<>
{
    let app = App::new()
        .wrap(from_fn(routes::admit))
        .wrap(DefaultHeaders::new().add((header::X_CONTENT_TYPE_OPTIONS, "nosniff")))
        .app_data(state)
        .app_data(audience)
        .configure(|app| routes::configure(app, audience, paths));
    map_config(app, |()| AppConfig::default())
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

/// What the system says where it has no IPv6; the standard library has no name for it.
#[cfg(unix)]
const ADDRESS_FAMILY_NOT_SUPPORTED: Option<i32> = Some(libc::EAFNOSUPPORT);
/// WSAEAFNOSUPPORT.
#[cfg(windows)]
const ADDRESS_FAMILY_NOT_SUPPORTED: Option<i32> = Some(10047);

fn no_such_family(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::AddrNotAvailable)
        || error.raw_os_error() == ADDRESS_FAMILY_NOT_SUPPORTED
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    bound_buffers(&socket, address);
    #[cfg(target_os = "linux")]
    if address.ip().is_loopback()
        && let Err(error) = socket.set_tcp_congestion(UNPACED)
    {
        log::debug!("{address}: the system's congestion control stays: {error}");
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Bounds what the kernel holds of accepted connections, which inherit it. Streams are given more.
fn bound_buffers(socket: &Socket, address: SocketAddr) {
    let bounded = socket.set_recv_buffer_size(RECEIVE_BUFFER).and(socket.set_send_buffer_size(ANSWER_BUFFER));
    #[cfg(target_os = "linux")]
    let bounded = bounded.and(socket.set_tcp_notsent_lowat(ANSWER_UNSENT));
    if let Err(error) = bounded {
        log::debug!("{address}: the system's buffers stay: {error}");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use socket2::SockRef;

    /// Without the zero bytes that the kernel fills up with.
    fn congestion_control(socket: SockRef<'_>) -> Vec<u8> {
        let name = socket.tcp_congestion().expect("a name");
        name.into_iter().take_while(|byte| *byte != 0).collect()
    }

    #[test]
    fn only_what_never_leaves_the_machine_is_exempt_from_the_systems_congestion_control() {
        let systems = std::fs::read("/proc/sys/net/ipv4/tcp_congestion_control").expect("a setting");
        let of = |address: &str| {
            let listener = listen(address.parse().expect("an address")).expect("a listener");
            congestion_control(SockRef::from(&listener))
        };
        assert_eq!(of("127.0.0.1:0"), UNPACED);
        assert_eq!(of("0.0.0.0:0"), systems.trim_ascii());
    }

    #[test]
    fn accepted_connections_inherit_it() {
        let listener = listen("127.0.0.1:0".parse().expect("an address")).expect("a listener");
        listener.set_nonblocking(false).expect("a blocking listener");
        let _client =
            std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("a client");
        let (accepted, _) = listener.accept().expect("its connection");
        assert_eq!(congestion_control(SockRef::from(&accepted)), UNPACED);
    }
}
