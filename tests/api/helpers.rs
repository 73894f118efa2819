//! A separate server for each test, and clients for it.

use certstream_server::config::{self, Config, Log, StartAt};
use certstream_server::ct::source::Protocol;
use certstream_server::demo::{DemoLog, DemoLogOptions};
use certstream_server::evidence::Evidence;
use certstream_server::reload::Reloader;
use certstream_server::startup::{Application, StartError};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, WebSocketConfig};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Timeout for everything in these tests. It is much longer than any expected delay.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server on a free port, in a separate thread with its own actix system.
pub struct TestApp {
    pub address: SocketAddr,
    pub admin_address: Option<SocketAddr>,
    /// Of the ingester, if this is the edge of a cluster.
    ingester: Option<SocketAddr>,
    reloader: Reloader,
    variables: Vec<(String, String)>,
    dir: tempfile::TempDir,
    running: Vec<Running>,
}

/// A part of a [`TestApp`] that runs.
struct Running {
    stop: oneshot::Sender<()>,
    ended: actix_web::rt::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    fn start(application: Application) -> Self {
        let (stop, stopped) = oneshot::channel();
        let ended = actix_web::rt::spawn(application.run_until_stopped(async { drop(stopped.await) }));
        Running { stop, ended }
    }

    async fn stop(self) {
        drop(self.stop);
        timeout(PATIENCE, self.ended).await.expect("the server ends").expect("no panic").expect("no error");
    }
}

/// The engine of a cluster. If there is one, an ingester and an edge take the place of each server.
fn engine() -> Option<String> {
    std::env::var("TEST_ENGINE").ok()
}

/// A log that grows only by `publish`.
pub async fn quiet_log() -> DemoLog {
    log_with(DemoLogOptions::default()).await
}

pub async fn log_with(options: DemoLogOptions) -> DemoLog {
    DemoLog::start(DemoLogOptions { rate: 0.0, ..options }).await.expect("the demo log starts")
}

/// Watches `log` from its first entry on.
pub fn from_the_start(log: &DemoLog) -> Log {
    Log { start: StartAt::Number(0), description: Some("Test log".into()), ..Log::rfc6962(&log.url()) }
}

/// The same for a log of `protocol` with a known key.
pub fn with_its_key(log: &DemoLog, protocol: Protocol) -> Log {
    Log {
        protocol,
        key: Some(base64_simd::STANDARD.encode_to_string(log.public_key())),
        origin: Some(log.origin()),
        ..from_the_start(log)
    }
}

/// Starts a server that watches `logs`, with the configuration `toml`.
pub async fn spawn_app(toml: &str, logs: Vec<Log>) -> TestApp {
    spawn_app_among(&[], toml, logs).await
}

/// The same with additional environment variables.
pub async fn spawn_app_among(variables: &[(&str, &str)], toml: &str, logs: Vec<Log>) -> TestApp {
    spawn_app_in(tempfile::tempdir().expect("a temporary folder"), variables, toml, logs).await
}

/// The same in a folder that may contain the state of another server.
pub async fn spawn_app_in(
    dir: tempfile::TempDir,
    variables: &[(&str, &str)],
    toml: &str,
    logs: Vec<Log>,
) -> TestApp {
    let (mut running, mut address_of_ingester) = (Vec::new(), None);
    let mut variables = variables.to_vec();
    let url;
    // Each folder is a cluster of its own.
    let name = dir.path().file_name().expect("a name").to_string_lossy().replace('.', "t");
    if let Some(engine) = engine() {
        url = format!("[\"{engine}\"]");
        variables.extend([
            ("CERTSTREAM_CLUSTER_URL", url.as_str()),
            ("CERTSTREAM_CLUSTER_STREAM", name.as_str()),
            ("CERTSTREAM_CLUSTER_MAX_BYTES", "64 MiB"),
        ]);
        let of_ingester = [("CERTSTREAM_CLUSTER_ROLE", "ingest"), ("CERTSTREAM_ADMIN_LISTEN", "")];
        let of_ingester = [variables.as_slice(), &of_ingester].concat();
        let ingester = build(&dir, &of_ingester, toml, logs.clone()).expect("an ingester that starts");
        address_of_ingester = Some(ingester.address());
        running.push(Running::start(ingester));
        variables.push(("CERTSTREAM_CLUSTER_ROLE", "edge"));
    }
    let application = build(&dir, &variables, toml, logs).expect("a server that starts");
    let (address, admin_address) = (application.address(), application.admin_address());
    let reloader = application.reloader();
    running.push(Running::start(application));
    let variables = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    TestApp { address, admin_address, ingester: address_of_ingester, reloader, variables, dir, running }
}

/// Builds a server without running it.
pub fn build(
    dir: &tempfile::TempDir,
    variables: &[(&str, &str)],
    toml: &str,
    logs: Vec<Log>,
) -> Result<Application, StartError> {
    Application::build(&configuration(dir, variables, toml, logs))
}

/// The configuration that `toml` resolves to for a server in `dir`.
fn configuration(dir: &tempfile::TempDir, variables: &[(&str, &str)], toml: &str, logs: Vec<Log>) -> Config {
    let file = dir.path().join("certstream.toml");
    std::fs::write(&file, toml).expect("a temporary file");
    let role = variables.iter().find(|(name, _)| *name == "CERTSTREAM_CLUSTER_ROLE").map(|(_, role)| *role);
    let state = dir.path().join(if role == Some("ingest") { "state-of-ingester" } else { "state" });
    // A short poll interval makes the tests faster.
    let environment = [
        ("CERTSTREAM_STATE_DIR", state.to_str().expect("a path")),
        ("CERTSTREAM_SERVER_LISTEN", "127.0.0.1:0"),
        ("CERTSTREAM_SERVER_WORKERS", "1"),
        ("CERTSTREAM_FETCH_POLL_INTERVAL", "50ms"),
    ];
    let environment = environment.iter().chain(variables).map(|(k, v)| (k.to_string(), v.to_string()));
    config::load_with(Some(&file), environment, config::Overrides { logs: Some(logs), stdout: None })
        .expect("a right configuration")
}

impl TestApp {
    /// Reloads another configuration. Returns the changes, or why nothing has changed.
    pub fn reload(&mut self, toml: &str, logs: Vec<Log>) -> Result<Vec<String>, String> {
        let variables: Vec<_> =
            self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let config = configuration(&self.dir, &variables, toml, logs);
        self.reloader.reload(&config).map_err(|error| error.to_string())
    }

    /// The path of a file in the server's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Value {
        let mut answer = json(self.address, path).await;
        if let (Some(ingester), "/stats") = (self.ingester, path) {
            self.add_logs(ingester, &mut answer).await;
        }
        answer
    }

    /// Adds what an ingester says of the logs to the statistics of the edge, which then has read all of it.
    async fn add_logs(&self, ingester: SocketAddr, stats: &mut Value) {
        let mut of_logs = json(ingester, "/stats").await;
        for member in ["logs", "operators", "state_error"] {
            stats[member] = of_logs[member].take();
        }
        let newest = async |address| json(address, "/status.json").await["journal"]["newest_seq"].as_u64();
        let appended = newest(ingester).await;
        while newest(self.address).await < appended {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn connect(&self, path: &str) -> Subscriber {
        Subscriber::connect(&format!("ws://{}{path}", self.address)).await
    }

    /// The same for a client that asks for notices, and has read the first one.
    pub async fn connect_with_notices(&self, path: &str) -> Subscriber {
        let mut client = self.connect(&format!("{path}?notices=1")).await;
        assert_eq!(client.any_message().await["message_type"], "subscribed");
        client
    }

    /// The statistics of the only log.
    pub async fn log_stats(&self) -> Value {
        let stats = self.get("/stats").await;
        stats["logs"].as_object().and_then(|l| l.values().next()).cloned().expect("a log")
    }

    /// The metrics for Prometheus.
    pub async fn metrics(&self) -> String {
        let mut response = awc::Client::default().get(self.http("/metrics")).send().await.expect("an answer");
        let body = response.body().await.expect("a body");
        String::from_utf8(body.to_vec()).expect("UTF-8")
    }

    /// Number of clients that the server has disconnected for `reason`.
    pub async fn ended_clients(&self, reason: &str) -> u64 {
        let metrics = self.metrics().await;
        let name = format!("certstream_clients_ended_total{{reason=\"{reason}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).expect("a count")
    }

    /// Polls the statistics until `what` returns true.
    pub async fn wait_for(&self, what: impl Fn(&Value) -> bool) -> Value {
        let asked = async {
            loop {
                let stats = self.get("/stats").await;
                if what(&stats) {
                    return stats;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, asked).await.expect("the statistics never showed it")
    }

    /// Waits until `count` clients are subscribed.
    pub async fn wait_for_clients(&self, count: u64) {
        self.wait_for(|stats| stats["connected_client_count"] == count).await;
    }

    /// The file names of the undecodable entries that were stored.
    pub fn undecodable(&self) -> Vec<String> {
        let folder = std::fs::read_dir(self.state_of_logs().join("undecodable")).expect("the folder");
        let mut names: Vec<_> =
            folder.map(|f| f.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The state folder of the server that watches the logs.
    fn state_of_logs(&self) -> PathBuf {
        self.dir.path().join(if self.ingester.is_some() { "state-of-ingester" } else { "state" })
    }

    /// All stored evidence.
    pub fn evidence(&self) -> Vec<Evidence> {
        let Ok(folder) = std::fs::read_dir(self.state_of_logs().join("evidence")) else { return Vec::new() };
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            let path = file.expect("a file").path();
            // Other files are still being written.
            let whole = path.extension().is_some_and(|extension| extension == "json");
            whole.then(|| {
                serde_json::from_slice(&std::fs::read(path).expect("its content")).expect("evidence")
            })
        };
        folder.filter_map(read).collect()
    }

    /// Stops the server and waits until it has stopped. Returns its folder.
    pub async fn stop(self) -> tempfile::TempDir {
        for part in self.running {
            part.stop().await;
        }
        self.dir
    }
}

/// The answer to a request, which succeeds.
async fn json(address: SocketAddr, path: &str) -> Value {
    let client = awc::Client::builder().timeout(PATIENCE).finish();
    let mut response = client.get(format!("http://{address}{path}")).send().await.expect("an answer");
    assert_eq!(response.status(), 200, "{path}");
    serde_json::from_slice(&response.body().limit(10 << 20).await.expect("a body")).expect("JSON")
}

/// The status and the body of a request.
pub async fn body(app: &TestApp, path: &str, last_event_id: Option<u64>) -> (u16, String) {
    let client = awc::Client::builder().timeout(PATIENCE).finish();
    let mut request = client.get(app.http(path));
    if let Some(id) = last_event_id {
        request = request.insert_header(("Last-Event-ID", id.to_string()));
    }
    let mut response = request.send().await.expect("an answer");
    let body = response.body().limit(50 << 20).await.expect("a body");
    (response.status().as_u16(), String::from_utf8(body.to_vec()).expect("text"))
}

/// A WebSocket client with a library other than the server's.
pub struct Subscriber {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// How long a message may take, however many heartbeats arrive.
    pub patience: Duration,
}

impl Subscriber {
    pub async fn connect(url: impl IntoClientRequest + Unpin) -> Self {
        let config = WebSocketConfig::default();
        let connected = connect_async_with_config(url, Some(config), true).await;
        Subscriber { socket: connected.expect("a WebSocket connection").0, patience: PATIENCE }
    }

    /// The next frame of any kind. `None` at the end of the connection.
    pub async fn frame(&mut self) -> Option<Message> {
        timeout(PATIENCE, self.socket.next()).await.expect("something in time")?.ok()
    }

    pub async fn send(&mut self, message: Message) {
        self.socket.send(message).await.expect("the message goes out");
    }

    /// The next message that is not a heartbeat.
    pub async fn message(&mut self) -> Value {
        let patience = self.patience;
        let message = async {
            loop {
                let message = self.any_message().await;
                if message["message_type"] != "heartbeat" {
                    return message;
                }
            }
        };
        timeout(patience, message).await.expect("only heartbeats arrive")
    }

    /// The next message, including heartbeats.
    pub async fn any_message(&mut self) -> Value {
        loop {
            match self.frame().await {
                Some(Message::Text(text)) => return serde_json::from_str(&text).expect("JSON"),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("{other:?} in place of a message"),
            }
        }
    }

    /// The `cert_index` of the next `count` messages.
    pub async fn indexes(&mut self, count: usize) -> Vec<u64> {
        let mut indexes = Vec::with_capacity(count);
        while indexes.len() < count {
            indexes.push(self.message().await["data"]["cert_index"].as_u64().expect("an index"));
        }
        indexes
    }

    /// Reads until the server closes the connection. Returns the messages, and the close frame if there was
    /// one.
    pub async fn until_closed(&mut self) -> (Vec<Value>, Option<CloseFrame>) {
        let mut messages = Vec::new();
        loop {
            match self.frame().await {
                Some(Message::Text(text)) => messages.push(serde_json::from_str(&text).expect("JSON")),
                Some(Message::Close(frame)) => return (messages, frame),
                Some(_) => {}
                None => return (messages, None),
            }
        }
    }
}
