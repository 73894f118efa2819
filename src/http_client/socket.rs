//! A connection to a server for another protocol than requests and responses.

use super::proxy::Proxies;
use super::reach::Reach;
use super::tls::{TlsClient, reason_in};
use actix_service::Service;
use actix_tls::connect::{ConnectError, ConnectInfo};
use actix_web::rt::net::TcpStream;
use awc::http::Uri;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_openssl::SslStream;

/// A connection, with TLS or without.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket for S {}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectProblem {
    /// The server's certificate is not accepted.
    #[error("TLS: {0}")]
    Certificate(String),
    #[error("{0}")]
    Other(String),
}

/// Connects to the server of `url`, through a proxy if there is one for it, and with TLS if the scheme is `https`. The caller
/// limits the time.
pub(crate) async fn connect(
    tls: &TlsClient,
    proxies: &Proxies,
    url: &Uri,
) -> Result<Box<dyn Socket>, ConnectProblem> {
    let connected = proxies.connector(Reach::Anywhere).call(ConnectInfo::new(url.clone())).await;
    let (tcp, _) = connected.map_err(|error| ConnectProblem::Other(reason(&error)))?.into_parts();
    // Answers to pings are small.
    tcp.set_nodelay(true).map_err(|error| ConnectProblem::Other(error.to_string()))?;
    if url.scheme_str() != Some("https") {
        return Ok(Box::new(tcp));
    }
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    Ok(Box::new(handshake(tls, host, tcp).await?))
}

async fn handshake(
    tls: &TlsClient,
    host: &str,
    tcp: TcpStream,
) -> Result<SslStream<TcpStream>, ConnectProblem> {
    let stream =
        tls.connector().configure().and_then(|c| c.into_ssl(host)).and_then(|ssl| SslStream::new(ssl, tcp));
    let mut stream = stream.map_err(|error| ConnectProblem::Other(format!("TLS: {error}")))?;
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(stream),
        Err(error) => {
            let text = error.to_string();
            let reason = reason_in(&text).unwrap_or(&text);
            let noted = tls.take_failure(host);
            if noted.is_some() || reason.contains("certificate verify failed") {
                return Err(ConnectProblem::Certificate(noted.unwrap_or_else(|| reason.into())));
            }
            Err(ConnectProblem::Other(format!("TLS: {reason}")))
        }
    }
}

/// The text of an error. That of an error of the system does not contain it.
fn reason(error: &ConnectError) -> String {
    match error {
        ConnectError::Io(error) => error.to_string(),
        ConnectError::Resolver(error) => format!("the host's name cannot be resolved: {error}"),
        other => other.to_string(),
    }
}
