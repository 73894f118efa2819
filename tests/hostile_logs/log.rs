//! A log that causes its clients as much cost as possible. It uses HTTP over plain sockets, because no
//! library supports this.

use base64_simd::STANDARD;
use certstream_server::ct::merkle::{CompactTree, Hash, leaf_hash, node_hash};
use serde_json::json;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Text in the log's errors: escape sequences, a forged line, and bidirectional control characters.
pub const POISON: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n[2026-01-01T00:00:00.000Z ERROR] forged \u{202e}\u{2028}";

/// Larger than any response that is accepted.
const HUGE: usize = 64 << 20;

/// The hostile behaviour of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostility {
    /// All entries are malformed, but the tree is correct.
    Malformed,
    /// Every other response is one of [`OUTRAGES`].
    Outrageous,
}

/// A hostile response.
#[derive(Clone, Copy, Debug)]
enum Outrage {
    /// 1.9 million empty entries, with or without a declared length.
    Empties { declared: bool },
    /// As many empty entries as fit in the size limit of a page.
    FittingEmpties,
    /// One string of 64 MiB.
    OneString,
    /// An endless body at full speed.
    Endless,
    /// An endless body, one byte at a time.
    Dripping,
    /// Endless headers.
    EndlessHeaders,
    /// An error with a body of 64 MiB with control characters for terminals.
    LoudError,
    /// The connection is closed without a response.
    Nothing,
    /// A page of the largest entries that are accepted. They are not in the tree.
    FatLies,
}

const OUTRAGES: [Outrage; 10] = [
    Outrage::Empties { declared: true },
    Outrage::LoudError,
    Outrage::Endless,
    Outrage::FittingEmpties,
    Outrage::Empties { declared: false },
    Outrage::FatLies,
    Outrage::OneString,
    Outrage::Dripping,
    Outrage::EndlessHeaders,
    Outrage::Nothing,
];

/// A running log. It stops with the test's runtime.
pub struct HostileLog {
    pub url: String,
    shared: Arc<SharedFrames>,
}

struct SharedFrames {
    hostility: Hostility,
    tree: UniformTree,
    entry: String,
    requests: AtomicU64,
    outrages: AtomicU64,
    served: AtomicU64,
}

impl HostileLog {
    /// Starts a log of `size` entries.
    pub async fn start(hostility: Hostility, size: u64) -> Self {
        let leaf = b"no MerkleTreeLeaf at all";
        let tree = UniformTree { leaf: leaf_hash(leaf), size };
        let text = STANDARD.encode_to_string(leaf);
        let shared = Arc::new(SharedFrames {
            hostility,
            tree,
            entry: format!(r#"{{"leaf_input":"{text}","extra_data":""}}"#),
            requests: AtomicU64::default(),
            outrages: AtomicU64::default(),
            served: AtomicU64::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/{hostility:?}", listener.local_addr().expect("its address"));
        let log = HostileLog { url, shared: shared.clone() };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let shared = shared.clone();
                tokio::spawn(async move { drop(shared.speak(stream).await) });
            }
        });
        log
    }

    /// Number of entries that were served, and of outrageous responses.
    pub fn figures(&self) -> (u64, u64) {
        (self.shared.served.load(Ordering::Relaxed), self.shared.outrages.load(Ordering::Relaxed))
    }
}

impl SharedFrames {
    async fn speak(&self, mut stream: TcpStream) -> io::Result<()> {
        while let Some(target) = request(&mut stream).await? {
            let number = self.requests.fetch_add(1, Ordering::Relaxed);
            if self.hostility == Hostility::Outrageous && number % 2 == 1 {
                let which = self.outrages.fetch_add(1, Ordering::Relaxed) as usize % OUTRAGES.len();
                return self.outrage(stream, OUTRAGES[which], &target).await;
            }
            let (status, body) = match self.proper_answer(&target) {
                Some(body) => ("200 OK", body),
                None => ("404 Not Found", String::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
        }
        Ok(())
    }

    /// A normal response. `None` for requests that this log does not support.
    fn proper_answer(&self, target: &str) -> Option<String> {
        if target.ends_with("/get-sth") {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis() as u64;
            let root = STANDARD.encode_to_string(self.tree.root());
            let head = json!({ "tree_size": self.tree.size, "timestamp": now, "sha256_root_hash": root,
                "tree_head_signature": "BAMAAA==" });
            return Some(head.to_string());
        }
        if target.contains("/get-sth-consistency?") {
            let proof = self.tree.proof(number(target, "first="), number(target, "second="));
            let proof: Vec<_> = proof.iter().map(|hash| STANDARD.encode_to_string(hash)).collect();
            return Some(json!({ "consistency": proof }).to_string());
        }
        if !target.contains("/get-entries?") {
            return None;
        }
        let (start, end) = (number(target, "start="), number(target, "end="));
        // An outrageous log returns only one entry at a time, so that it gets another request soon.
        let most = if self.hostility == Hostility::Outrageous { 1 } else { 1000 };
        let count = (end + 1 - start).min(most);
        self.served.fetch_add(count, Ordering::Relaxed);
        let entries = vec![self.entry.as_str(); count as usize].join(",");
        Some(format!(r#"{{"entries":[{entries}]}}"#))
    }

    async fn outrage(&self, mut stream: TcpStream, outrage: Outrage, target: &str) -> io::Result<()> {
        const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        const PAGE: &str = r#"{"entries":["#;
        const EMPTY: &str = r#"{"leaf_input":"","extra_data":""},"#;
        const LAST: &str = r#"{"leaf_input":"","extra_data":""}]}"#;
        /// Number of entries that are written together.
        const PARTS: usize = 2000;
        match outrage {
            Outrage::Empties { declared } => {
                let page = Body {
                    begin: PAGE,
                    part: &EMPTY.repeat(PARTS),
                    times: HUGE / EMPTY.len() / PARTS,
                    end: LAST,
                };
                page.send(&mut stream, declared).await
            }
            Outrage::FittingEmpties => {
                let times = (15 << 20) / EMPTY.len() / PARTS;
                Body { begin: PAGE, part: &EMPTY.repeat(PARTS), times, end: LAST }
                    .send(&mut stream, true)
                    .await
            }
            Outrage::OneString => {
                let (begin, part) = (r#"{"entries":[{"leaf_input":""#, "A".repeat(1 << 16));
                let times = HUGE / part.len();
                Body { begin, part: &part, times, end: "" }.send(&mut stream, false).await
            }
            Outrage::Endless => {
                stream.write_all(CHUNKED.as_bytes()).await?;
                // Spaces are valid at the start of JSON.
                let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
                loop {
                    stream.write_all(chunk.as_bytes()).await?;
                }
            }
            Outrage::Dripping => {
                stream.write_all(CHUNKED.as_bytes()).await?;
                loop {
                    stream.write_all(b"1\r\n \r\n").await?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Outrage::EndlessHeaders => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                loop {
                    stream.write_all(format!("x: {}\r\n", "y".repeat(8000)).as_bytes()).await?;
                }
            }
            Outrage::LoudError => {
                let head = format!("HTTP/1.1 500 No\r\ncontent-length: {HUGE}\r\n\r\n");
                stream.write_all(head.as_bytes()).await?;
                let body = POISON.repeat(1000);
                loop {
                    stream.write_all(body.as_bytes()).await?;
                }
            }
            Outrage::Nothing => Ok(()),
            Outrage::FatLies if target.contains("/get-entries?") => {
                let count = (number(target, "end=") + 1 - number(target, "start=")) as usize;
                let text = "QUJD".repeat((15 << 20) / 4 / count);
                let entry = format!(r#"{{"leaf_input":"{text}","extra_data":""}}"#);
                let (part, end) = (format!("{entry},"), format!("{entry}]}}"));
                Body { begin: PAGE, part: &part, times: count - 1, end: &end }.send(&mut stream, true).await
            }
            Outrage::FatLies => {
                Body { begin: "", part: POISON, times: 1000, end: "" }.send(&mut stream, true).await
            }
        }
    }
}

/// A large body that is generated in parts.
struct Body<'a> {
    begin: &'a str,
    part: &'a str,
    times: usize,
    end: &'a str,
}

impl Body<'_> {
    async fn send(&self, stream: &mut TcpStream, declared: bool) -> io::Result<()> {
        if declared {
            let length = self.begin.len() + self.times * self.part.len() + self.end.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
        } else {
            stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
        }
        let parts = std::iter::repeat_n(self.part, self.times);
        for part in std::iter::once(self.begin).chain(parts).chain([self.end]).filter(|part| !part.is_empty())
        {
            if !declared {
                stream.write_all(format!("{:x}\r\n", part.len()).as_bytes()).await?;
            }
            stream.write_all(part.as_bytes()).await?;
            if !declared {
                stream.write_all(b"\r\n").await?;
            }
        }
        if declared { Ok(()) } else { stream.write_all(b"0\r\n\r\n").await }
    }
}

/// The target of the next request. `None` at the end of the connection.
async fn request(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part).await? {
            0 => return Ok(None),
            read => head.extend_from_slice(&part[..read]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    Ok(head.split(' ').nth(1).map(str::to_string))
}

fn number(target: &str, name: &str) -> u64 {
    let (_, rest) = target.split_once(name).expect("a parameter");
    rest.split('&').next().and_then(|text| text.parse().ok()).expect("a number")
}

/// A Merkle tree in which all leaves are equal.
struct UniformTree {
    leaf: Hash,
    size: u64,
}

impl UniformTree {
    fn root(&self) -> Hash {
        self.hash(self.size)
    }

    /// The root over `count` leaves, at any position.
    fn hash(&self, count: u64) -> Hash {
        let mut perfect = vec![self.leaf];
        while 1 << perfect.len() <= count {
            let half = perfect[perfect.len() - 1];
            perfect.push(node_hash(&half, &half));
        }
        let mut tree = CompactTree::new();
        for (height, root) in perfect.iter().enumerate().rev().filter(|(height, _)| count >> height & 1 == 1)
        {
            tree.push_subtree(height as u8, *root).expect("larger subtrees come first");
        }
        tree.root()
    }

    /// PROOF(m, D[n]), RFC 6962 section 2.1.2.
    fn proof(&self, m: u64, n: u64) -> Vec<Hash> {
        self.subproof(m, n, true, &mut HashMap::new())
    }

    fn subproof(&self, m: u64, n: u64, whole: bool, known: &mut HashMap<u64, Hash>) -> Vec<Hash> {
        let mut hash = |count| *known.entry(count).or_insert_with(|| self.hash(count));
        if m == n {
            return if whole { Vec::new() } else { vec![hash(m)] };
        }
        let k = (n / 2 + 1).next_power_of_two().min(n.next_power_of_two() / 2);
        let (mut proof, other) = if m <= k {
            let right = hash(n - k);
            (self.subproof(m, k, whole, known), right)
        } else {
            let left = hash(k);
            (self.subproof(m - k, n - k, false, known), left)
        };
        proof.push(other);
        proof
    }
}
