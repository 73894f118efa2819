//! A Certificate Transparency log of our own: what `demo` streams from, and the log that tests
//! misuse.
//!
//! ```text
//! names, subject, practice -> certificate -> issuer   what is issued, and by whom
//!                                              |
//!                              grower ------> store   tree and its hashes, signed head, newest entries
//!                                              |
//!                faults, answer, face ---> rfc6962    the log as HTTP shows it: by pages,
//!         tile, checkpoint, gzip --------> static_ct  by tiles, or by both
//! ```
//!
//! The log grows at a steady rate from its own authorities, with keys made at start; nothing of it
//! is on disk. Tests switch [`Fault`]s on, publish exactly what they need, and read the counters.

mod answer;
mod authority;
mod certificate;
mod checkpoint;
mod der;
mod entry;
mod extensions;
mod face;
mod faults;
mod grower;
mod gzip;
mod hash_tree;
mod issuer;
mod keys;
mod names;
mod practice;
mod rfc6962;
mod sct;
mod shared;
mod static_ct;
mod store;
mod subject;
#[cfg(test)]
mod tests;
mod tile;

pub use faults::{Fault, FaultOn};
pub use store::{EntryKind, PublishedEntry};

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer, rt};
use bytes::Bytes;
use chrono::Utc;
use grower::Grower;
use issuer::Issuer;
use keys::KeyPair;
use shared::{Face, Shared};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::Store;

/// Connections are kept for readers that ask about once a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Heads more frequent than this are no use to anybody, and none at all would be a busy loop.
const MIN_HEAD_INTERVAL: Duration = Duration::from_millis(10);

/// How a log is read.
///
/// A log signs and hashes alike whichever it is; its entries differ in one extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DemoProtocol {
    /// RFC 6962: get-sth, get-sth-consistency and get-entries.
    #[default]
    Rfc6962,
    /// static-ct-api: checkpoint, data tiles, tiles of hashes, issuers. Every leaf says by the
    /// leaf_index extension where in the log it is.
    StaticCt,
    /// RFC 6962, and its entries in full data tiles with their issuers as well, as the logs of
    /// TrustAsia do it.
    ///
    /// A tile can only repeat the TimestampedEntry that the tree was made from, the one in
    /// leaf_input, and such logs give out SCTs without extensions: so its entries have no
    /// leaf_index, against static-ct-api. There is no checkpoint, and without checkpoints no
    /// partial tile has to exist: the newest entries, up to 255, are had from get-entries only.
    Hybrid,
}

/// What a [`DemoLog`] is to be like.
#[derive(Clone, Debug)]
pub struct DemoLogOptions {
    /// Where it answers over HTTP; port 0 takes any that is free. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// How it is read. Default RFC 6962.
    pub protocol: DemoProtocol,
    /// Whether it has names tiles; of a static-ct log only. Default `false`.
    pub names_tiles: bool,
    /// The origin in its checkpoints. Default `None`: the host and port of its URL.
    pub origin: Option<String>,
    /// Entries per second, fractions allowed; 0 leaves the growth to
    /// [`publish`](DemoLog::publish). Default 20.
    pub rate: f64,
    /// Time from one signed tree head to the next, 10 ms at least; entries become visible with a
    /// head. Default 500 ms.
    pub head_interval: Duration,
    /// The most entries in one answer to get-entries, 1 at least. Default 256.
    pub max_page: u64,
    /// How many of the newest entries can still be fetched, 1 at least, at about 3 KB of memory
    /// each. Older ones are answered with status 400, data tiles that reach back to them with status
    /// 404. Proofs and tiles of hashes reach back to the first entry, whatever this is: for them the
    /// log keeps 32 bytes (up to 64 with the room to grow) of every entry that it ever had. Default
    /// 20,000.
    pub retain: usize,
    /// Entries in the log when it starts. Default 0.
    pub initial: u64,
}

impl Default for DemoLogOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            protocol: DemoProtocol::default(),
            names_tiles: false,
            origin: None,
            rate: 20.0,
            head_interval: Duration::from_millis(500),
            max_page: 256,
            retain: 20_000,
            initial: 0,
        }
    }
}

/// Handle of a running log; clones are handles of the same one.
///
/// The log ends with [`stop`](Self::stop), or when its last handle is dropped.
#[derive(Clone)]
pub struct DemoLog {
    running: Arc<Running>,
}

struct Running {
    log: Arc<Shared>,
    address: SocketAddr,
    server: ServerHandle,
    /// `None` once stopped.
    grower: Mutex<Option<Grower>>,
}

/// What a log counted since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoStats {
    /// Size of the newest signed tree head.
    pub tree_size: u64,
    /// Index of the oldest entry that can still be fetched.
    pub oldest_kept: u64,
    /// Requests for get-sth or the checkpoint, whatever the answer.
    pub head_requests: u64,
    /// Requests for the checkpoint that were answered with status 304; among the `head_requests`.
    pub not_modified: u64,
    /// Requests for get-entries or data tiles, whatever the answer.
    pub entries_requests: u64,
    /// Requests for issuers' certificates, whatever the answer.
    pub issuer_requests: u64,
    /// Requests for names tiles, whatever the answer.
    pub names_requests: u64,
    /// Requests for get-sth-consistency or tiles of hashes, whatever the answer.
    pub proof_requests: u64,
    /// Requests for anything else: roots, addresses that mean nothing.
    pub other_requests: u64,
    /// Entries in answers to get-entries and in data tiles. Answers that a fault damaged or
    /// replaced are left out, so a reader that fetches nothing twice gets exactly as many as it
    /// read.
    pub entries_served: u64,
    /// How often the most often served entry was served, counted likewise: 1 if nothing was
    /// fetched twice.
    pub most_served: u64,
    /// Requests for entries that wait for their answer now.
    pub entries_in_flight: u64,
    /// The most requests for entries that ever waited at the same time. An answer takes no time
    /// that others could arrive in, so this shows a reader's parallelism only together with
    /// [`Fault::Delay`] or [`Fault::Hang`].
    pub most_entries_in_flight: u64,
    /// Answers that showed a fault.
    pub faults_shown: u64,
}

impl DemoLog {
    /// Makes keys and authorities, issues the initial entries and starts to answer and to grow.
    ///
    /// To be called inside an actix System. Fails if the address cannot be listened on, or if
    /// OpenSSL cannot make keys.
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
        // Before all else, for the address is a part of the checkpoints.
        let listener = TcpListener::bind(listen)?;
        let address = listener.local_addr()?;
        let create = move || -> Result<Shared, issuer::IssueError> {
            let store = Store::new(KeyPair::ecdsa()?, retain, protocol == DemoProtocol::StaticCt)?;
            let origin = origin.unwrap_or_else(|| address.to_string());
            let face = Face { protocol, names_tiles, origin, max_page };
            let log = Shared::new(store, Issuer::new(Utc::now())?, face);
            log.set_rate(rate);
            log.publish(initial, None);
            Ok(log)
        };
        let log = web::block(create).await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        let log = Arc::new(log);
        let server = serve(log.clone(), listener)?;
        let grower = Grower::start(log.clone(), head_interval.max(MIN_HEAD_INTERVAL))?;
        let running = Running { log, address, server, grower: Mutex::new(Some(grower)) };
        Ok(DemoLog { running: Arc::new(running) })
    }

    /// The log's URL, without a trailing slash: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.address)
    }

    /// The origin in the log's checkpoints.
    pub fn origin(&self) -> String {
        self.running.log.origin.clone()
    }

    /// The log's key: DER SubjectPublicKeyInfo. Its log id is the SHA-256 of this.
    pub fn public_key(&self) -> &[u8] {
        self.running.log.store.public_key()
    }

    /// Issues `count` entries and signs a head over them, at once. Gives the tree size.
    ///
    /// Blocks the caller for as long as it takes to make them: a few thousand a second.
    pub fn publish(&self, count: u64) -> u64 {
        self.running.log.publish(count, None)
    }

    /// Appends an entry of any bytes at all, broken ones included, and signs a head over it. Gives
    /// the tree size.
    ///
    /// `leaf_input` is the leaf of the tree in any log. In a data tile stands what follows its first
    /// two bytes, the TimestampedEntry if it has one, and then `extra_data` as it is: to be a
    /// proper TileLeaf, it has to consist of what static-ct-api wants there.
    pub fn publish_raw(&self, leaf_input: impl Into<Bytes>, extra_data: impl Into<Bytes>) -> u64 {
        self.running.log.publish_raw(leaf_input.into(), extra_data.into())
    }

    /// Sets the growth in entries per second. What is no positive number counts as 0.
    pub fn set_rate(&self, rate: f64) {
        self.running.log.set_rate(rate);
    }

    /// Makes the next `count` answers of a kind show a fault, or all until
    /// [`clear_faults`](Self::clear_faults) if there is no count.
    ///
    /// Replaces the fault that was set for the same `on`. One for a kind goes before one for all.
    pub fn set_fault(&self, fault: Fault, on: FaultOn, count: Option<u64>) {
        self.running.log.faults.set(fault, on, count);
    }

    /// Switches all faults off and lets hanging answers go.
    pub fn clear_faults(&self) {
        self.running.log.faults.clear();
    }

    pub fn stats(&self) -> DemoStats {
        self.running.log.stats()
    }

    /// The entry at `index`, if a head covers it and it is still kept.
    pub fn entry(&self, index: u64) -> Option<PublishedEntry> {
        Some(self.running.log.store.entry(index)?.published())
    }

    /// Ends growth and answers, open connections included, for all handles. Once it returns the
    /// port is free and the issuing thread gone.
    pub async fn stop(&self) {
        self.running.log.faults.clear();
        self.running.server.stop(false).await;
        // Taken in a statement of its own: the lock must not be held while waiting.
        let grower = lock(&self.running.grower).take();
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
        // The order to stop is given by the call; the future would only wait for it to be done.
        drop(self.server.stop(false));
    }
}

fn serve(log: Arc<Shared>, listener: TcpListener) -> io::Result<ServerHandle> {
    let log = Data::from(log);
    let app = move || {
        let routes = match log.protocol {
            DemoProtocol::Rfc6962 => rfc6962::routes,
            DemoProtocol::StaticCt => static_ct::routes,
            DemoProtocol::Hybrid => static_ct::hybrid_routes,
        };
        App::new().app_data(log.clone()).configure(routes).default_service(web::to(face::unknown_address))
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

/// What the demo locks is left consistent between statements, so a panic elsewhere while it was
/// locked is no reason to panic here too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970 UTC.
fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
