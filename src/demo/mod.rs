//! A Certificate Transparency log of our own. The command `demo` streams from it, and tests use it with
//! faults.
//!
//! ```text
//! names, subject, issuer_profile -> certificate -> generator  what is issued, and by whom
//!                                              |
//!                              grower ------> store   tree and its hashes, signed head, newest entries
//!                                              |
//!       faults, defects, answer, endpoint ---> rfc6962    the log as HTTP shows it: by pages,
//!              tile, checkpoint, gzip -------> static_ct  by tiles, or by both
//! ```
//!
//! `misbehaviour` shows all faults in turn.
//!
//! The log grows at a steady rate. It has its own authorities, with keys that are generated at start, and
//! stores nothing on disk. Tests switch on [`Fault`]s, publish exactly the entries they need, and read the
//! counters.

mod answer;
mod authority;
mod certificate;
mod checkpoint;
mod defects;
mod der;
mod endpoint;
mod entry;
mod extensions;
mod faults;
mod generator;
mod grower;
mod gzip;
mod hash_tree;
mod issuer_profile;
mod keys;
mod log_state;
mod misbehaviour;
mod names;
mod options;
mod rfc6962;
mod sct;
mod static_ct;
mod stats;
mod store;
mod subject;
#[cfg(test)]
mod tests;
mod tile;

pub use defects::Defects;
pub use faults::{Fault, FaultOn};
pub use options::{DemoLogOptions, DemoProtocol};
pub use stats::DemoStats;
pub use store::{EntryKind, PublishedEntry};

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer, rt};
use bytes::Bytes;
use chrono::Utc;
use generator::Generator;
use grower::Grower;
use keys::KeyPair;
use log_state::{EndpointSettings, LogState};
use parking_lot::Mutex;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// Connections are kept alive for clients that send a request about once a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// More frequent heads are useless, and an interval of zero would be a busy loop.
const MIN_HEAD_INTERVAL: Duration = Duration::from_millis(10);

/// Handle of a running log. Its clones are handles of the same log.
///
/// The log stops with [`stop`](Self::stop), or when its last handle is dropped.
#[derive(Clone)]
pub struct DemoLog {
    running: Arc<Running>,
}

struct Running {
    log: Arc<LogState>,
    listening: Mutex<Listening>,
    /// `None` after the log has stopped.
    grower: Mutex<Option<Grower>>,
}

/// Where the log is served.
struct Listening {
    address: SocketAddr,
    server: ServerHandle,
}

impl DemoLog {
    /// Generates keys and authorities, issues the initial entries, and starts to serve and to grow.
    ///
    /// Must be called inside an actix System. Fails if the address cannot be bound, or if OpenSSL cannot
    /// generate keys.
    pub async fn start(options: DemoLogOptions) -> io::Result<DemoLog> {
        let DemoLogOptions {
            listen,
            protocol,
            names_tiles,
            origin,
            rate,
            head_interval,
            max_page,
            retain,
            initial,
        } = options;
        // Bound first, because the address is part of the checkpoints.
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let create = move || -> Result<LogState, generator::IssueError> {
            let store = Store::new(KeyPair::ecdsa()?, retain, protocol == DemoProtocol::StaticCt)?;
            let origin = origin.unwrap_or_else(|| address.to_string());
            let face = EndpointSettings { protocol, names_tiles, origin, max_page };
            let log = LogState::new(store, Generator::new(Utc::now())?, face);
            log.set_rate(rate);
            log.publish(initial, None);
            Ok(log)
        };
        let log = web::block(create).await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let log = Arc::new(log);
        let server = serve(log.clone(), listener)?;
        let grower = Grower::start(log.clone(), head_interval.max(MIN_HEAD_INTERVAL))?;
        let listening = Mutex::new(Listening { address, server });
        let running = Running { log, listening, grower: Mutex::new(Some(grower)) };
        Ok(DemoLog { running: Arc::new(running) })
    }

    /// The log's URL, without a trailing slash: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    fn address(&self) -> SocketAddr {
        self.running.listening.lock().address
    }

    /// The origin in the log's checkpoints.
    pub fn origin(&self) -> String {
        self.running.log.origin.clone()
    }

    /// The log's public key: DER SubjectPublicKeyInfo. Its SHA-256 is the log id.
    pub fn public_key(&self) -> &[u8] {
        self.running.log.store.public_key()
    }

    /// Issues `count` entries and signs a head over them immediately. Returns the tree size.
    ///
    /// Blocks while the entries are issued, at a rate of a few thousand per second.
    pub fn publish(&self, count: u64) -> u64 {
        self.running.log.publish(count, None)
    }

    /// Appends an entry with arbitrary bytes, even invalid ones, and signs a head over it. Returns the tree
    /// size.
    ///
    /// `leaf_input` is the leaf of the tree for any protocol. The data tile contains everything after its
    /// first two bytes (the TimestampedEntry, if it is valid), followed by `extra_data` unchanged. For a
    /// valid TileLeaf, `extra_data` must therefore contain the rest of the struct of static-ct-api.
    pub fn publish_raw(&self, leaf_input: impl Into<Bytes>, extra_data: impl Into<Bytes>) -> u64 {
        self.running.log.publish_raw(leaf_input.into(), extra_data.into())
    }

    /// Sets the growth in entries per second. Anything but a positive number counts as 0.
    pub fn set_rate(&self, rate: f64) {
        self.running.log.set_rate(rate);
    }

    /// Applies a fault to the next `count` responses of a kind, or to all until
    /// [`clear_faults`](Self::clear_faults) if `count` is `None`.
    ///
    /// Replaces the previous fault for the same `on`. A fault for one kind takes precedence over a fault for
    /// all.
    pub fn set_fault(&self, fault: Fault, on: FaultOn, count: Option<u64>) {
        self.running.log.faults.set(fault, on, count);
    }

    /// Sets the lasting defects of the log. They replace the previous ones, and [`clear_faults`](Self::clear_faults)
    /// does not remove them.
    pub fn set_defects(&self, defects: Defects) {
        self.running.log.set_defects(defects);
    }

    /// Removes all faults and releases hanging responses.
    pub fn clear_faults(&self) {
        self.running.log.faults.clear();
    }

    pub fn stats(&self) -> DemoStats {
        self.running.log.stats()
    }

    /// The entry at `index`, if a head covers it and it is still stored.
    pub fn entry(&self, index: u64) -> Option<PublishedEntry> {
        Some(self.running.log.store.entry(index)?.published())
    }

    /// Moves the log to another port: its URL changes, its key and its entries do not. Nobody answers at the old one.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn change_url(&self) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let server = serve(self.running.log.clone(), listener)?;
        let old = std::mem::replace(&mut *self.running.listening.lock(), Listening { address, server });
        old.server.stop(false).await;
        Ok(())
    }

    /// Stops the log and closes its connections, for all handles. When it returns, the port is free and the
    /// issuing thread has ended.
    pub async fn stop(&self) {
        self.running.log.faults.clear();
        let server = self.running.listening.lock().server.clone();
        server.stop(false).await;
        // A separate statement, because the lock must not be held while waiting.
        let grower = self.running.grower.lock().take();
        if let Some(grower) = grower
            && let Err(error) = web::block(|| grower.stop()).await
        {
            log::error!("demo log: failed to wait for its issuing thread: {error}");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.log.faults.clear();
        // The call itself stops the server. The future would only wait for it to finish.
        drop(self.listening.get_mut().server.stop(false));
    }
}

fn serve(log: Arc<LogState>, listener: TcpListener) -> io::Result<ServerHandle> {
    let log = Data::from(log);
    let app = move || {
        let routes = match log.protocol {
            DemoProtocol::Rfc6962 => rfc6962::routes,
            DemoProtocol::StaticCt => static_ct::routes,
            DemoProtocol::Hybrid => static_ct::hybrid_routes,
        };
        App::new().app_data(log.clone()).configure(routes).default_service(web::to(endpoint::unknown_address))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .keep_alive(KeepAlive::Timeout(KEEP_ALIVE))
        .tcp_nodelay(true)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    rt::spawn(server);
    Ok(handle)
}
