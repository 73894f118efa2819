//! The connection to the engine, NATS, and the thread that it lives on.

use super::error::ClusterError;
use super::names::Names;
use crate::config::ClusterConfig;
use crate::nats;
use async_nats::jetstream::{self, kv};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event};
use parking_lot::Mutex;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, oneshot};
use tokio::time::{Instant, sleep};

/// Time for a connection to one server of the engine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time in which the engine has to be reached at a start.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Delay between attempts to connect.
const RETRY: Duration = Duration::from_secs(1);
/// A server that does not answer pings for two of these intervals is left for another one.
const PING_INTERVAL: Duration = Duration::from_secs(2);
/// Shortest time between two reconnects that time-outs cause.
const RECONNECT_PAUSE: Duration = Duration::from_secs(3);
/// Time for the answer to a request. While the engine has no leader, nobody answers, and each attempt takes as long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
/// Time in which the engine has to acknowledge a message.
const ACK_TIMEOUT: Duration = Duration::from_secs(2);

/// The connection; see the module documentation.
pub(crate) struct Engine {
    /// The runtime of the connection's thread.
    pub(super) runtime: Handle,
    pub(super) client: Client,
    pub(super) context: jetstream::Context,
    pub(super) names: Names,
    /// The name of this server.
    pub(super) node: String,
    bucket: OnceCell<kv::Store>,
    reconnected: Mutex<Instant>,
    /// Ends the thread when it is dropped.
    _stop: oneshot::Sender<()>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("names", &self.names).field("node", &self.node).finish_non_exhaustive()
    }
}

impl Engine {
    /// Connects to the engine as `node`. Blocks until that has succeeded, or for 30 seconds.
    ///
    /// # Errors
    /// If the engine cannot be reached in that time, or refuses this server, or files cannot be used.
    pub(crate) fn connect(config: &ClusterConfig, node: String) -> Result<Arc<Self>, ClusterError> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (runtime_in, runtime) = std::sync::mpsc::channel();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let handle = runtime.as_ref().map(|runtime| runtime.handle().clone());
            let _ = runtime_in.send(handle.map_err(|error| io::Error::other(error.to_string())));
            if let Ok(runtime) = runtime {
                let _ = runtime.block_on(stopped);
            }
        };
        std::thread::Builder::new().name("cluster".into()).spawn(run).map_err(ClusterError::Thread)?;
        let runtime = runtime.recv().unwrap_or_else(|error| Err(io::Error::other(error)));
        let runtime = runtime.map_err(ClusterError::Thread)?;
        let client = wait(&runtime, connect(config.clone(), node.clone()))?;
        let context = jetstream::ContextBuilder::new()
            .timeout(REQUEST_TIMEOUT)
            .ack_timeout(ACK_TIMEOUT)
            .build(client.clone());
        let names = Names::new(&config.stream);
        let (bucket, reconnected) = (OnceCell::new(), Mutex::new(Instant::now()));
        Ok(Arc::new(Engine { runtime, client, context, names, node, bucket, reconnected, _stop: stop }))
    }

    /// Runs `future` on the connection's thread, and waits for it. Must not be called there.
    ///
    /// # Errors
    /// That of the future, or that the thread has ended.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = Result<T, ClusterError>> + Send + 'static,
    ) -> Result<T, ClusterError> {
        wait(&self.runtime, future)
    }

    /// The bucket of the cluster.
    pub(super) async fn bucket(&self) -> Result<&kv::Store, ClusterError> {
        let open = || self.context.get_key_value(self.names.bucket());
        self.bucket.get_or_try_init(open).await.map_err(ClusterError::engine)
    }

    /// Reconnects, after the engine has not answered in time: the server may have been stopped, which the connection
    /// notices later.
    pub(super) async fn reconnect(&self) {
        {
            let mut reconnected = self.reconnected.lock();
            if reconnected.elapsed() < RECONNECT_PAUSE {
                return;
            }
            *reconnected = Instant::now();
        }
        // It fails only when the program ends.
        let _ = self.client.force_reconnect().await;
    }
}

/// The caller may run in a runtime, in which nothing may be waited for: another thread does it.
fn wait<T: Send + 'static>(
    runtime: &Handle,
    future: impl Future<Output = Result<T, ClusterError>> + Send + 'static,
) -> Result<T, ClusterError> {
    let (result_in, result) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        let _ = result_in.send(future.await);
    });
    result.recv().unwrap_or_else(|_| Err(ClusterError::engine("its thread has ended")))
}

async fn connect(config: ClusterConfig, node: String) -> Result<Client, ClusterError> {
    let urls = nats::shown_urls(&config.engine);
    let deadline = Instant::now() + START_TIMEOUT;
    let mut told = false;
    loop {
        let error = match options(&config, &node).await?.connect(config.engine.url.clone()).await {
            Ok(client) => return Ok(client),
            Err(error) => error,
        };
        match error.kind() {
            ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                return Err(ClusterError::Credentials(urls));
            }
            _ if Instant::now() >= deadline => {
                return Err(ClusterError::Unreachable { urls, why: error.to_string() });
            }
            _ if !std::mem::replace(&mut told, true) => {
                log::warn!(
                    "the engine of the cluster cannot be reached at {urls} yet: {error}; trying again"
                );
            }
            _ => {}
        }
        sleep(RETRY).await;
    }
}

async fn options(config: &ClusterConfig, node: &str) -> Result<ConnectOptions, ClusterError> {
    let name = format!("{} {node}", env!("CARGO_PKG_NAME"));
    let options =
        nats::options(&config.engine, &name).await.map_err(|error| ClusterError::File(error.to_string()))?;
    Ok(options
        .connection_timeout(CONNECT_TIMEOUT)
        .request_timeout(Some(REQUEST_TIMEOUT))
        .ping_interval(PING_INTERVAL)
        .reconnect_delay_callback(|attempts| if attempts <= 1 { Duration::ZERO } else { RETRY })
        .event_callback(|event| async move { tell(&event) }))
}

fn tell(event: &Event) {
    match event {
        Event::Connected => log::info!("cluster: connected to the engine"),
        Event::Disconnected => log::warn!("cluster: the connection to the engine is lost; connecting again"),
        Event::SlowConsumer(_) => {
            log::warn!("cluster: messages of the engine were dropped; reading them again")
        }
        // What follows says more.
        Event::Closed | Event::Draining | Event::ClientError(_) => log::debug!("cluster: {event}"),
        event => log::warn!("cluster: {event}"),
    }
}
