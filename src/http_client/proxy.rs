//! HTTP proxies from the environment variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in upper or
//! lower case.
//!
//! All requests use a tunnel (CONNECT, RFC 9110 section 9.3.6), including plain HTTP, so a proxy learns only
//! the names of the logs. The module `http` sends requests through the tunnel; awc handles TLS.

use super::reach::Reach;
use actix_service::Service;
use actix_tls::connect::tcp::{TcpConnector, TcpConnectorService};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection, Resolver, ResolverService};
use actix_web::rt::net::TcpStream;
use awc::http::Uri;
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, ready};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Maximum size of a proxy's response to CONNECT. A normal one has about 100 bytes; the rest allows
/// additional headers.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const DEFAULT_PORT: u16 = 80;

/// The proxy to use for each request.
#[derive(Clone)]
pub struct Proxies(Option<Arc<Matcher>>);

/// A variable whose value is not a usable proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct BadProxy {
    /// The variable.
    pub variable: &'static str,
    /// The error. It never contains a proxy's user name or password.
    pub problem: String,
}

impl Proxies {
    /// Uses no proxy.
    pub fn none() -> Self {
        Proxies(None)
    }

    /// The proxies in `environment`.
    ///
    /// # Errors
    /// For a proxy that is not an `http://` URL. Bypassing it silently would be worse.
    pub fn from_environment(environment: &BTreeMap<String, String>) -> Result<Self, BadProxy> {
        let first = |names: &[&'static str]| {
            let set = |name: &&'static str| environment.get(*name).filter(|value| !value.trim().is_empty());
            names.iter().find_map(|name| Some((*name, set(name)?.trim())))
        };
        // In a CGI program, HTTP_PROXY contains the client's "Proxy" header, so it is ignored.
        let is_cgi = environment.contains_key("REQUEST_METHOD");
        let http = first(if is_cgi { &["http_proxy"] } else { &["HTTP_PROXY", "http_proxy"] });
        let https = first(&["HTTPS_PROXY", "https_proxy"]);
        let all = first(&["ALL_PROXY", "all_proxy"]);
        // Many desktops set ALL_PROXY to a proxy that only browsers support, in addition to two supported
        // ones.
        let all = all.filter(|_| http.is_none() || https.is_none());
        for (variable, proxy) in [http, https, all].into_iter().flatten() {
            check(proxy).map_err(|problem| BadProxy { variable, problem })?;
        }
        let value = |proxy: Option<(_, &str)>| proxy.map_or(String::new(), |(_, proxy)| proxy.into());
        // The matcher supports only commas between exceptions, and `*` only as a name.
        let no = value(first(&["NO_PROXY", "no_proxy"])).split_whitespace().collect::<Vec<_>>().join(",");
        if no == "*" || [http, https, all].iter().all(Option::is_none) {
            return Ok(Proxies(None));
        }
        let matcher = Matcher::builder().http(value(http)).https(value(https)).all(value(all)).no(no).build();
        Ok(Proxies(Some(Arc::new(matcher))))
    }

    /// The connector for awc. It connects only to addresses within `reach`.
    pub(crate) fn connector(&self, reach: Reach) -> Tunnels {
        let (resolver, tcp) = (Resolver::default().service(), TcpConnector::default().service());
        Tunnels { proxies: self.clone(), reach, resolver, tcp }
    }

    fn intercept(&self, url: &Uri) -> Option<Intercept> {
        self.0.as_ref()?.intercept(&url.to_string().parse().ok()?)
    }
}

/// Proxies may contain passwords, so they are not shown.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Proxies(some)" } else { "Proxies(none)" })
    }
}

/// The matcher treats an invalid value as no proxy, so this checks whether the matcher accepts it.
fn check(proxy: &str) -> Result<(), String> {
    let expected = "expected a proxy such as \"http://proxy.example:3128\"";
    let read = Matcher::builder().all(proxy.to_string()).build();
    let read = "https://ct.example/".parse().ok().and_then(|url| read.intercept(&url));
    match read.as_ref().and_then(|proxy| proxy.uri().scheme_str()) {
        Some("http") => Ok(()),
        Some(scheme) => Err(format!("{expected}, found the scheme \"{scheme}\"")),
        None => Err(expected.into()),
    }
}

/// Connects to servers, through a tunnel if there is a proxy for them.
#[derive(Clone)]
pub(crate) struct Tunnels {
    proxies: Proxies,
    reach: Reach,
    resolver: ResolverService,
    tcp: TcpConnectorService,
}

impl Service<ConnectInfo<Uri>> for Tunnels {
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<ConnectInfo<Uri>>::poll_ready(&self.tcp, cx)
    }

    fn call(&self, to: ConnectInfo<Uri>) -> Self::Future {
        if let Err(refused) = self.reach.check_url(to.request()) {
            return ready(Err(ConnectError::Io(io::Error::other(refused)))).boxed_local();
        }
        match self.proxies.intercept(to.request()) {
            None => direct(self.resolver.call(to), self.tcp, self.reach).boxed_local(),
            Some(proxy) => async move {
                let stream = tunnel(&proxy, to.request(), to.port()).await.map_err(|error| {
                    let name = proxy.uri().authority().map_or("", |a| without_password(a.as_str()));
                    ConnectError::Io(io::Error::new(error.kind(), format!("proxy {name}: {error}")))
                })?;
                Ok(Connection::new(to.request().clone(), stream))
            }
            .boxed_local(),
        }
    }
}

/// Connects to one of the host's current addresses. The addresses are checked after they have been resolved,
/// and the name is not resolved again.
async fn direct(
    resolving: impl Future<Output = Result<ConnectInfo<Uri>, ConnectError>>,
    tcp: TcpConnectorService,
    reach: Reach,
) -> Result<Connection<Uri, TcpStream>, ConnectError> {
    let mut to = resolving.await?;
    let addresses: Vec<_> = to.take_addrs().collect();
    let allowed = reach.allowed(to.hostname(), addresses);
    tcp.call(to.set_addrs(allowed.map_err(|refused| ConnectError::Io(io::Error::other(refused)))?)).await
}

fn without_password(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Opens a connection to `to` through `proxy`. The caller limits the time.
async fn tunnel(proxy: &Intercept, to: &Uri, port: u16) -> io::Result<TcpStream> {
    let host = proxy.uri().host().unwrap_or_default().trim_matches(['[', ']']);
    let mut stream = TcpStream::connect((host, proxy.uri().port_u16().unwrap_or(DEFAULT_PORT))).await?;
    let target = format!("{}:{port}", to.host().unwrap_or_default());
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(authorization) = proxy.basic_auth() {
        request.extend(b"Proxy-Authorization: ");
        request.extend(authorization.as_bytes());
        request.extend(b"\r\n");
    }
    request.extend(b"\r\n");
    stream.write_all(&request).await?;
    accepted(&read_head(&mut stream).await?).map_err(io::Error::other)?;
    Ok(stream)
}

/// Reads up to the empty line. The server sends nothing before the client does, so no bytes follow the head.
async fn read_head(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD_BYTES {
            return Err(io::Error::other("its response is too long"));
        }
        let mut part = [0; 1024];
        match stream.read(&mut part).await? {
            0 => return Err(io::Error::other("it closed the connection")),
            read => head.extend_from_slice(part.get(..read).unwrap_or_default()),
        }
    }
    Ok(head)
}

/// Checks that the response establishes the tunnel. Any 2xx status does.
fn accepted(head: &[u8]) -> Result<(), String> {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    match words.next().and_then(|status| status.parse::<u16>().ok()).filter(|_| is_http) {
        Some(200..=299) => Ok(()),
        Some(407) => Err("status 407: it requires other credentials (http://NAME:PASSWORD@HOST:PORT)".into()),
        Some(status) => Err(format!("status {status}")),
        None => Err("its response is not HTTP".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, BadProxy> {
        Proxies::from_environment(
            &variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        )
    }

    fn proxy_for(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxies = proxies(variables).unwrap();
        proxies.intercept(&url.parse().unwrap()).map(|proxy| proxy.uri().authority().unwrap().to_string())
    }

    #[test]
    fn the_environment_says_which_proxy_is_for_what() {
        let all = [
            ("https_proxy", "http://secure.example:1"),
            ("HTTP_PROXY", "plain.example:2"),
            ("NO_PROXY", "near.example,127.0.0.1"),
        ];
        assert_eq!(proxy_for(&all, "https://ct.example/2026").as_deref(), Some("secure.example:1"));
        assert_eq!(proxy_for(&all, "http://ct.example/2026").as_deref(), Some("plain.example:2"));
        for near in ["https://near.example/", "https://ct.near.example/", "http://127.0.0.1:8080/"] {
            assert_eq!(proxy_for(&all, near), None, "{near}");
        }
        let one = [("ALL_PROXY", "http://[::1]:3")];
        assert_eq!(proxy_for(&one, "https://ct.example/").as_deref(), Some("[::1]:3"));
        assert_eq!(proxy_for(&[("ALL_PROXY", " ")], "https://ct.example/"), None);
        for near in ["*", "a.example ct.example", "a.example, ct.example"] {
            let with = [("ALL_PROXY", "http://p.example"), ("NO_PROXY", near)];
            assert_eq!(proxy_for(&with, "https://ct.example/"), None, "{near}");
        }
        let desktop = [("HTTP_PROXY", "p.example"), ("HTTPS_PROXY", "p.example"), ("ALL_PROXY", "socks://q")];
        assert_eq!(proxy_for(&desktop, "https://ct.example/").as_deref(), Some("p.example"));
        let cgi = [("REQUEST_METHOD", "GET"), ("HTTP_PROXY", "http://evil.example")];
        assert_eq!(proxy_for(&cgi, "http://ct.example/"), None, "a header of a web client");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        for (proxy, problem) in [
            ("socks5://me:secret@proxy.example", "the scheme \"socks5\""),
            ("https://me:secret@proxy.example", "the scheme \"https\""),
            ("http://", "expected a proxy"),
            ("proxy.example:3128/", "expected a proxy"),
            ("me:sec ret@proxy", "expected a proxy"),
        ] {
            let error = proxies(&[("HTTPS_PROXY", proxy)]).unwrap_err();
            assert_eq!(error.variable, "HTTPS_PROXY");
            assert!(error.problem.contains(problem), "{error:?}");
            assert!(!error.problem.contains("sec"), "{error:?}");
        }
    }

    #[test]
    fn only_a_2xx_of_http_is_a_tunnel() {
        assert_eq!(accepted(b"HTTP/1.1 200 Connection established\r\n\r\n"), Ok(()));
        assert_eq!(accepted(b"HTTP/1.0 204\r\nVia: x\r\n\r\n"), Ok(()));
        for (head, problem) in [
            (&b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"[..], "407"),
            (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", "status 502"),
            (b"SSH-2.0-OpenSSH 200\r\n\r\n", "not HTTP"),
            (b"\xff\xfe\r\n\r\n", "not HTTP"),
        ] {
            assert!(accepted(head).unwrap_err().contains(problem));
        }
    }
}
