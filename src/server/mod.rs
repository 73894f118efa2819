//! The HTTP server: admits connections, answers requests, and lets connections of sessions leave HTTP.

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

/// Length of the accept queue: many clients reconnect at the same moment after a restart.
const BACKLOG: i32 = 2048;

/// Size of the kernel's receive buffer per client, in bytes; the kernel allows twice this size, including its
/// bookkeeping.
pub(crate) const RECEIVE_BUFFER: usize = 32 * 1024;
/// Size of the kernel's send buffer for HTTP answers, in bytes; the kernel allows twice this size, including its
/// bookkeeping.
pub(crate) const ANSWER_BUFFER: usize = 128 * 1024;
/// Limit of unsent bytes of HTTP answers in the send buffer.
pub(crate) const ANSWER_UNSENT: u32 = 96 * 1024;

/// The congestion control of loopback connections, mainly those of a proxy in front of the server. If the system's
/// default is BBR, it paces each connection with timers. That protects network queues, but loopback has none: there it
/// only costs a tenth more CPU time and delays the last of many clients. Accepted connections inherit this setting.
/// Every kernel includes Reno, and every process may select it.
#[cfg(target_os = "linux")]
const UNPACED: &[u8] = b"reno";

/// The listening sockets.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// The listener for clients.
    pub clients: TcpListener,
    /// The listener for the statistics and the metrics, if they have their own.
    pub admin: Option<TcpListener>,
}

/// Serves the routes. On a stop, requests have `shutdown_timeout` to be answered.
///
/// # Errors
/// If a listener cannot be used.
pub(crate) fn serve(
    listeners: Listeners,
    config: &Config,
    state: web::Data<AppState>,
    tls: Option<Arc<Tls>>,
    shutdown_timeout: Duration,
) -> io::Result<Server> {
    let server = Server::build()
        .workers(config.workers)
        // The gate limits connections, and answers those that it refuses. Connections beyond this limit wait to be
        // accepted.
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
    // The admins' listener uses no TLS, because it is meant for the operator's own network.
    let (paths, gate) = (routes::Paths::of(config), Gate { tls: None, is_for_admins: true, ..gate });
    let admin = move || service(gate.clone(), state.clone(), Audience::Admins, paths.clone());
    Ok(server.listen("admin", listener, admin)?.run())
}

/// The service that handles each connection.
fn service(
    gate: Gate,
    state: web::Data<AppState>,
    audience: Audience,
    paths: routes::Paths,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = (), InitError = ()> {
    let http = Http { app: app(state, audience, &paths), settings: gate.settings.clone() };
    fn_service(move |tcp| {
        let gate = gate.clone();
        // Boxed, so that the memory of the future is freed when it completes; otherwise the connection would hold it
        // until it ends.
        Box::pin(async move { gate.admit(tcp).await.ok_or(()) })
    })
    .into_factory()
    .and_then(http)
}

/// The service that answers requests.
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

/// Listens on `address`. For the unspecified IPv6 address, listens on both families, or only on IPv4 if the system has
/// no IPv6.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match bind(address) {
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && no_such_family(&error) => {
            bind((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        result => result,
    }
}

/// The system's error if it has no IPv6; the standard library has no constant for it.
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
        log::debug!("{address}: keeping the system's congestion control: {error}");
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Bounds the kernel buffers of accepted connections, which inherit these settings. Streams get a larger send buffer.
fn bound_buffers(socket: &Socket, address: SocketAddr) {
    let bounded = socket.set_recv_buffer_size(RECEIVE_BUFFER).and(socket.set_send_buffer_size(ANSWER_BUFFER));
    #[cfg(target_os = "linux")]
    let bounded = bounded.and(socket.set_tcp_notsent_lowat(ANSWER_UNSENT));
    if let Err(error) = bounded {
        log::debug!("{address}: keeping the system's buffer sizes: {error}");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use socket2::SockRef;

    /// The name without the kernel's zero padding.
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
