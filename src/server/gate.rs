//! Admits a connection before anything is read from it.

use super::http::Settings;
use crate::access::{Arrivals, ConnectionLimits, ConnectionPermit, LimitKey, Refusal};
use crate::counters::Ending;
use crate::system::descriptors::{self, MAX_ADMINS};
use crate::transport::{Claim, Io, Record, Tcp, Tls, Transport};
use actix_web::http::StatusCode;
use actix_web::rt::net::TcpStream;
use actix_web::rt::time::{sleep, timeout};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Time that a refused client has to receive the answer.
pub(crate) const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Interval at which a delayed connection checks whether it has been cut.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Time after the stall timeout until the kernel gives up a client that acknowledges nothing. Until then, the client
/// can still receive a close frame with the reason.
pub(crate) const AFTER_STALL: Duration = Duration::from_secs(20);

/// Admits or refuses new connections.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) settings: Settings,
    pub(super) slots: Arc<ConnectionLimits>,
    pub(super) arrivals: Arc<Arrivals>,
    pub(super) tls: Option<Arc<Tls>>,
    /// Whether it serves the admins' listener.
    pub(super) is_for_admins: bool,
}

impl Gate {
    /// Returns the connection, after TLS if configured, and the peer's address; `None` if it is not admitted.
    pub(super) async fn admit(&self, tcp: TcpStream) -> Option<(Transport, SocketAddr)> {
        let peer = tcp.peer_addr().ok()?;
        let admitted = self.take_slots(peer).and_then(|slots| Ok((slots, self.wait(peer.ip())?)));
        let (slots, wait) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                self.refuse(tcp, refusal).await;
                return None;
            }
        };
        // Writes contain complete data, so delaying small segments would only add latency.
        let _ = tcp.set_nodelay(true);
        let longest = self.settings.live.settings().clients.stall_timeout.saturating_add(AFTER_STALL);
        bound_unanswered(&tcp, longest);
        let tcp = Arc::new(tcp);
        let (registration, record) = self.settings.connections.register(&tcp, peer.ip().to_canonical());
        let claim = Claim { _slots: slots, _registration: registration };
        if !wait_for_turn(&record, wait).await {
            return None;
        }
        let stream = tcp.clone();
        let tcp = Tcp::new(tcp, record);
        let io = match &self.tls {
            None => Io::Clear(tcp),
            Some(tls) => match timeout(self.settings.patience, tls.accept(tcp)).await {
                Ok(Ok(stream)) => Io::Tls(Box::new(stream)),
                failed => {
                    if let Ok(Err(error)) = failed {
                        log::debug!("client {}: TLS handshake failed: {error}", peer.ip());
                    }
                    self.settings.counters.ended(Ending::BadRequest);
                    // The client may still receive the alert that says why.
                    bound_unanswered(&stream, REFUSAL_TIME);
                    return None;
                }
            },
        };
        Some((Transport::new(io, claim), peer))
    }

    fn take_slots(&self, peer: SocketAddr) -> Result<Vec<ConnectionPermit>, Refusal> {
        let (rules, peer) = (self.settings.live.settings(), peer.ip());
        let access = &rules.access;
        if self.is_for_admins {
            // Requests of others are refused at this listener anyway; refusing the connection leaves the permits to
            // admins.
            access.admin(peer, false)?;
            return Ok(vec![self.slots.take(LimitKey::Admins, MAX_ADMINS).ok_or(Refusal::Full)?]);
        }
        access.admit_peer(peer)?;
        let mut slots = vec![self.slots.take(LimitKey::Everyone, access.connections).ok_or(Refusal::Full)?];
        // A proxy has many clients. Their streams are counted by client address when they are opened.
        if access.connections_per_address > 0 && !access.trusted_proxies.contain(peer) {
            let slot = self.slots.take(LimitKey::at(peer), access.connections_per_address);
            slots.push(slot.ok_or(Refusal::AddressFull)?);
        }
        Ok(slots)
    }

    /// Delay for a connection from `peer` that exceeds the rate limit of new connections. Nothing is read from it
    /// during the delay.
    fn wait(&self, peer: IpAddr) -> Result<Duration, Refusal> {
        let (rules, patience) = (self.settings.live.settings(), self.settings.patience);
        let access = &rules.access;
        if self.is_for_admins || access.trusted_proxies.contain(peer) {
            return Ok(Duration::ZERO);
        }
        let wait = self.arrivals.wait(peer, access.new_connections_per_address, Instant::now(), patience);
        wait.ok_or(Refusal::AddressRate)
    }

    /// Sends the reason as an HTTP response, if the listener has no TLS.
    async fn refuse(&self, mut tcp: TcpStream, refusal: Refusal) {
        self.settings.counters.refused(refusal);
        let Some(_slot) = self.slots.take(LimitKey::Refused, descriptors::most_refused()) else { return };
        if self.tls.is_some() {
            return;
        }
        bound_unanswered(&tcp, REFUSAL_TIME);
        let _ = timeout(REFUSAL_TIME, async {
            // The kernel resets a connection with unread input, and the client would not receive the answer.
            let mut request = [0; 4096];
            let _ = tcp.read(&mut request).await;
            tcp.write_all(answer(refusal).as_bytes()).await?;
            tcp.shutdown().await
        })
        .await;
    }
}

/// Bounds how long the kernel retries unacknowledged data, even after the connection has ended here.
#[cfg(target_os = "linux")]
fn bound_unanswered(tcp: &TcpStream, longest: Duration) {
    // If the option cannot be set, the system's own timeout applies.
    let _ = socket2::SockRef::from(tcp).set_tcp_user_timeout(Some(longest));
}

/// Other platforms use their own timeout.
#[cfg(not(target_os = "linux"))]
fn bound_unanswered(_: &TcpStream, _: Duration) {}

/// Waits for `wait`, or until the connection is cut: nothing is read from it in the meantime, so the flag has to be
/// polled. Returns whether the connection is still open.
async fn wait_for_turn(record: &Record, wait: Duration) -> bool {
    record.set_paused(true);
    let turn = Instant::now() + wait;
    while !record.is_cut() {
        let left = turn.saturating_duration_since(Instant::now());
        if left.is_zero() {
            record.set_paused(false);
            return true;
        }
        sleep(left.min(LOOK_INTERVAL)).await;
    }
    false
}

fn answer(refusal: Refusal) -> String {
    let body = serde_json::json!({ "error": refusal.to_string() }).to_string();
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::FORBIDDEN);
    let retry = if refusal.passes() { "retry-after: 30\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry}connection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Connections;
    use actix_web::rt::spawn;

    async fn record(connections: &Arc<Connections>) -> (TcpStream, Claim, Arc<Record>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let client = TcpStream::connect(listener.local_addr().expect("an address"));
        let (client, accepted) = tokio::join!(client, listener.accept());
        let stream = Arc::new(accepted.expect("a connection").0);
        let (registration, record) = connections.register(&stream, IpAddr::from([192, 0, 2, 1]));
        (client.expect("a client"), Claim { _slots: Vec::new(), _registration: registration }, record)
    }

    #[actix_web::test]
    async fn a_connection_that_waits_for_its_turn_can_be_cut_off() {
        let connections = Arc::new(Connections::default());
        let (_client, _claim, waiting) = record(&connections).await;
        assert!(wait_for_turn(&waiting, Duration::ZERO).await, "it is its turn");
        let begin = Instant::now();
        let waits = spawn(async move { wait_for_turn(&waiting, Duration::from_secs(60)).await });
        sleep(Duration::from_millis(50)).await;
        connections.readmit(|_| false);
        assert!(!waits.await.expect("no panic"));
        assert!(begin.elapsed() < Duration::from_secs(30), "it went at once");
    }
}
