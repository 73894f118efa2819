//! The table of all limits in docs/security.md. It is generated from the constants, so that it stays up to date.

use crate::access::arrivals;
use crate::actors::log_watcher::{log_cursor, unreconciled};
use crate::actors::{linger, log_watcher, reader, ring_buffer, session, socket};
use crate::cli::logging::budget;
use crate::config::{Size, read};
use crate::ct::{entry, log_list as list, names_tile};
use crate::http_client::client as http_client;
use crate::journal;
use crate::log_client::{http as log_http, issuers, limits, memory, rfc6962, static_ct, tiles};
use crate::log_list::download;
use crate::message::client_frames;
use crate::rate::Rate;
use crate::server::{self, gate, http};
use crate::spare;
use crate::state::{evidence, positions, skipped, undecodable};
use crate::system::descriptors;
use crate::transport::{budget as connection_budget, tcp, tls};
use std::fmt::Write;
use std::time::Duration;

const PAGE: &str = "docs/security.md";
/// Markers before and after the generated part.
const BEGIN: &str = "<!-- made from the code: UPDATE_DOCS=1 cargo test --lib limits -->\n";
const END: &str = "<!-- end -->\n";

/// The limited resource; its limit in bytes or number, in time, and in work or number per second; the behaviour beyond
/// the limit; the tests that verify it.
type Row = [String; 6];

fn bytes(n: impl TryInto<usize>) -> String {
    Size(n.try_into().unwrap_or(usize::MAX)).to_string()
}

fn time(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

fn rate(rate: Rate, unit: &str) -> String {
    format!("{} {unit}/s, {} at once", rate.per_second, rate.burst)
}

fn connections() -> Vec<Row> {
    vec![
        [
            "every connection".into(),
            format!(
                "1 descriptor; in the kernel {} of received data and {} of unsent data, as the kernel counts",
                bytes(2 * server::RECEIVE_BUFFER),
                bytes(2 * server::ANSWER_BUFFER)
            ),
            "that of its protocol, below".into(),
            format!(
                "{} received per second, bursts of {}; under TLS {} and {}",
                bytes(tcp::RECEIVE_RATE.per_second),
                bytes(tcp::RECEIVE_RATE.burst),
                bytes(tcp::TLS_RECEIVE_RATE.per_second),
                bytes(tcp::TLS_RECEIVE_RATE.burst)
            ),
            "the server reads more slowly, and TCP slows the client down".into(),
            "`attack`: floods; `transport::tcp`".into(),
        ],
        [
            "refused connection".into(),
            format!(
                "4 KiB; {} at once, or an eighth of the open files allowed; none under TLS",
                descriptors::REFUSED
            ),
            time(gate::REFUSAL_TIME),
            "as many as are accepted".into(),
            "closed without a response".into(),
            "`attack`: descriptors".into(),
        ],
        [
            "TLS handshake".into(),
            format!(
                "{} of received data; OpenSSL's state and one record each way, about 50 KB while the client reads nothing",
                bytes(tcp::MAX_TLS_HANDSHAKE)
            ),
            "`access.handshake_timeout`".into(),
            "as above".into(),
            "closed".into(),
            "`api`: tls; `attack`".into(),
        ],
        [
            "new connections from an address".into(),
            format!(
                "{} addresses are remembered, of IPv6 networks of 64 bits; trusted proxies are exempt",
                arrivals::REMEMBERED
            ),
            "they wait for up to `access.handshake_timeout`, unread".into(),
            format!(
                "`access.new_connections_per_address`, a burst of {} seconds' worth",
                arrivals::BURST_SECONDS
            ),
            "429; under TLS closed without a response".into(),
            "`access::arrivals`; `api`: access".into(),
        ],
        [
            "HTTP request".into(),
            format!(
                "head of {}, 96 headers; one at a time; bodies are not read",
                bytes(http::MAX_REQUEST_HEAD)
            ),
            "`access.handshake_timeout` for the whole head, from the end of the previous response".into(),
            rate(http::REQUESTS, "requests"),
            "431, 400, 408, then closed; above the rate, the next request is read later".into(),
            "`api`: http; `server::http`; `attack`: floods, stateful".into(),
        ],
        [
            "HTTP response".into(),
            format!(
                "one at a time; concurrent requests share it; {} unsent in the kernel",
                bytes(server::ANSWER_UNSENT)
            ),
            "`clients.stall_timeout` without the client reading any of it".into(),
            format!(
                "each kind of expensive response may take {} ms of each second to make, but at least one is made every second",
                crate::routes::MAKING.per_second / 1000
            ),
            "the connection is cut off; expensive responses are delayed".into(),
            "`api`: http; `routes::on_demand`; `attack`: floods".into(),
        ],
        [
            "Server-Sent Events".into(),
            format!(
                "a cursor, and {} units of messages; {} unsent in the kernel, {} in all, {} before it has read {}",
                reader::state::MAX_READY,
                bytes(socket::EVENTS_UNSENT),
                bytes(2 * socket::SEND_BUFFER),
                bytes(2 * socket::FIRST_SEND_BUFFER),
                bytes(socket::ENLARGE_AFTER / 2)
            ),
            format!(
                "`clients.stall_timeout` without reading, then {} for the rest; ends when the client disconnects",
                time(reader::ABANDONED_TIMEOUT)
            ),
            "received data is dropped, at the rate above".into(),
            "`clients.when_behind`; then the response ends, then the connection is cut off".into(),
            "`api`: wires, slow_clients; `attack`: floods".into(),
        ],
        [
            "WebSocket".into(),
            format!(
                "the same; {} notices; {} in the kernel, {} before it has read {}; of received frames only one ping and one close \
                 frame are kept; messages of {}",
                reader::MAX_NOTICES,
                bytes(2 * socket::SEND_BUFFER),
                bytes(2 * socket::FIRST_SEND_BUFFER),
                bytes(socket::ENLARGE_AFTER / 2),
                bytes(client_frames::MAX_MESSAGE)
            ),
            format!(
                "the same; `clients.pong_timeout` without any frame; {} for its close frame",
                time(reader::CLOSE_TIMEOUT)
            ),
            format!(
                "{}, above which the server reads more slowly; control frames: {}",
                rate(session::FRAMES, "frames"),
                rate(session::CONTROL_FRAMES, "frames")
            ),
            "the same; close codes 1001 (also for too many control frames), 1002, 1007, 1009".into(),
            "`api`: protocol, slow_clients; `message::client_frames`; `attack`: floods, stateful; fuzzing"
                .into(),
        ],
        [
            "closing connection".into(),
            "received data is dropped".into(),
            format!(
                "{}; while it still has data to read, as long as it reads some every {}",
                time(linger::LINGER_TIMEOUT),
                time(linger::PROGRESS_INTERVAL)
            ),
            "as above".into(),
            "the connection is cut off".into(),
            "`api`: http, shutdown".into(),
        ],
        [
            "admin listener".into(),
            format!("{} connections, reserved for admins", descriptors::MAX_ADMINS),
            "as HTTP".into(),
            "as HTTP".into(),
            "503; 403 to others, which never occupy a connection".into(),
            "`api`: access".into(),
        ],
        [
            "all connections together".into(),
            format!(
                "`access.connections`, `connections_per_address`, and the open files allowed minus {} (or half of them); \
                 `clients.ring_bytes` for the newest messages, and again for older ones that a client is taking; `clients.all_unsent_bytes` for those who take nothing, at most half of \
                 the kernel's memory for TCP",
                descriptors::OTHERS
            ),
            format!("checked every {}", time(connection_budget::SWEEP_INTERVAL)),
            "log lines: those below".into(),
            "503, 429; the connections that read least and hold most are reset".into(),
            "`transport::connections`; `api`: slow_clients; `attack`".into(),
        ],
        [
            "lines in the log file".into(),
            format!("{} characters each", crate::printable::MAX_LINE_CHARS),
            format!("summarised every {}", time(budget::SUMMARY_INTERVAL)),
            format!(
                "{}/s and bursts of {} for each place in the code, {}/s and bursts of {} for all; events of clients have level \
                 debug",
                budget::PLACE_PER_SECOND,
                budget::PLACE_BURST,
                budget::ALL_PER_SECOND,
                budget::ALL_BURST
            ),
            "suppressed and counted".into(),
            "`cli::logging`; `attack`: floods; `hostile_logs`".into(),
        ],
    ]
}

fn inputs() -> Vec<Row> {
    let timeout = "`fetch.timeout` for the whole response";
    let request = "`fetch.operator_requests_per_second`";
    let log = "the request fails, its connection is closed, and it is repeated with backoff";
    let held = "`log_client`; `hostile_logs`";
    let answer = |what: &str, most: String| -> Row {
        [what.into(), most, timeout.into(), request.into(), log.into(), held.into()]
    };
    vec![
        answer("get-sth", bytes(rfc6962::MAX_STH_BYTES)),
        answer("checkpoint", bytes(static_ct::MAX_CHECKPOINT_BYTES)),
        answer("consistency proof", bytes(rfc6962::MAX_CONSISTENCY_BYTES)),
        answer(
            "get-entries page",
            format!(
                "{}; a single entry: {}; as many entries as requested",
                bytes(rfc6962::MAX_PAGE_BYTES),
                bytes(rfc6962::MAX_ENTRY_PAGE_BYTES)
            ),
        ),
        answer("tile", format!("{}, 256 entries or hashes", bytes(tiles::MAX_TILE_BYTES))),
        answer(
            "names tile",
            format!("{} names per entry, {} per tile", names_tile::MAX_ENTRY_NAMES, names_tile::MAX_TILE_NAMES),
        ),
        answer(
            "issuer",
            format!(
                "{}; {} in a chain; chains of a tile: {}",
                bytes(issuers::MAX_ISSUER_BYTES),
                entry::MAX_CHAIN_CERTIFICATES,
                bytes(tiles::MAX_CHAINS_BYTES)
            ),
        ),
        answer(
            "error response",
            format!(
                "{}, of which {} characters are reported",
                bytes(http_client::MAX_ERROR_BYTES),
                http_client::MAX_DETAIL_CHARS
            ),
        ),
        [
            "connections to a log".into(),
            format!(
                "{}; bodies above {} one at a time",
                http_client::MAX_CONNECTIONS,
                bytes(log_http::MAX_BESIDE_BYTES)
            ),
            time(http_client::CONNECT_TIMEOUT),
            "`fetch.operator_requests_at_once`, `fetch.in_flight`".into(),
            "the next request waits".into(),
            held.into(),
        ],
        [
            "requests to all operators".into(),
            format!("one for each, and {} more; each needs an open file", limits::MAX_BESIDE),
            "".into(),
            "".into(),
            "the next request waits".into(),
            "`log_client::limits`".into(),
        ],
        [
            "published entry".into(),
            format!(
                "certificate and chain of {}, {} certificates in the chain; its message is up to 13 times as large, for a \
                 hostile certificate",
                bytes(entry::MAX_ENTRY_BYTES),
                entry::MAX_CHAIN_CERTIFICATES
            ),
            "".into(),
            format!("one batch of more than {} at a time, over all logs", bytes(2 * log_watcher::unverified::MAX_BATCH_BYTES)),
            "counted, stored like an undecodable entry, and not sent; of a longer chain, the first certificates are sent".into(),
            "`ct::entry`; `log_client::tiles`".into(),
        ],
        [
            "entries that a log does not serve".into(),
            format!(
                "{} ranges for each log, {} for all",
                log_watcher::missing_board::MAX_RANGES,
                positions::MAX_MISSING_RANGES
            ),
            "until the log serves them".into(),
            "one request at a time, up to 5 minutes apart for each range".into(),
            "the log waits at the next one".into(),
            "`log_watcher`".into(),
        ],
        [
            "entries of one log in memory".into(),
            format!(
                "{} not proven, {} not sent, and the pages being downloaded",
                bytes(log_watcher::unverified::MAX_UNVERIFIED_BYTES),
                bytes(log_watcher::fetcher::MAX_WAITING_BYTES)
            ),
            "until they are sent".into(),
            "as fast as the clients read".into(),
            "the server stops fetching from the log".into(),
            "`log_watcher`; `hostile_logs`".into(),
        ],
        [
            "entries of all logs in memory".into(),
            format!(
                "{}, including responses being downloaded; then up to {} for responses already being downloaded, and {} for each log beyond twice \
                 that",
                bytes(memory::ROOM),
                bytes(memory::MOST),
                bytes(memory::LEAST)
            ),
            "".into(),
            "".into(),
            "logs above their share fetch one page at a time; then their requests fail, and pages become smaller"
                .into(),
            "`log_client::memory`; `log_client`; `hostile_logs`".into(),
        ],
        [
            "journal".into(),
            format!(
                "`journal.max_bytes` and one segment; at most {} segments, each one open file; a block of at most {}; {} blocks \
                 that wait to be written; {} of blocks in memory that clients read",
                journal::MAX_SEGMENTS,
                bytes(journal::MAX_PAYLOAD),
                journal::MAX_WAITING,
                bytes(journal::MAX_CACHED_BYTES as usize)
            ),
            "`journal.max_age`".into(),
            "`clients.replay_share` of a core for reading".into(),
            "the oldest segments are deleted; while blocks wait, the server stops fetching from the logs".into(),
            "`journal`".into(),
        ],
        [
            "memory of received responses and sent messages for the next ones".into(),
            bytes(spare::MAX_SPARE_BYTES),
            "two heartbeats without use".into(),
            "".into(),
            "returned to the system".into(),
            "`spare`".into(),
        ],
        [
            "newest messages for the JSON routes".into(),
            format!(
                "`newest.messages`; certificate and chain of {}, so a message of at most {}",
                bytes(ring_buffer::MAX_ENTRY_BYTES),
                bytes(16 * ring_buffer::MAX_ENTRY_BYTES)
            ),
            "until newer ones arrive".into(),
            "".into(),
            "sent to the clients, but not kept".into(),
            "`actors::ring_buffer`".into(),
        ],
        [
            "list of logs".into(),
            format!(
                "{}, {} values, signature {}; {} logs",
                bytes(list::MAX_LIST_BYTES),
                list::parse::MAX_VALUES,
                bytes(list::MAX_SIGNATURE_BYTES),
                list::parse::MAX_LOGS
            ),
            format!("{} to connect", time(http_client::CONNECT_TIMEOUT)),
            format!("`log_list.refresh_interval`; {} redirects", download::MAX_REDIRECTS),
            "the previous list stays in use".into(),
            "`log_list`".into(),
        ],
        [
            "configuration".into(),
            bytes(read::MAX_FILE_BYTES),
            "at the start and at SIGHUP".into(),
            "".into(),
            "refused with an error; nothing changes".into(),
            "`config`; `api`: reload, command_line".into(),
        ],
        [
            "certificates and key of the server".into(),
            format!("{} each", bytes(tls::MAX_PEM_BYTES)),
            "at the start, when they change, and at SIGHUP".into(),
            "".into(),
            "refused with an error; the previous ones stay in use".into(),
            "`api`: tls".into(),
        ],
        [
            "positions of logs".into(),
            format!("{} logs, heads of {}", positions::MAX_POSITIONS, bytes(positions::MAX_HEAD_BYTES)),
            "as long as the folder exists".into(),
            "".into(),
            "further logs start over after a restart; of larger heads only the tree is saved".into(),
            "`state::positions`".into(),
        ],
        [
            "issuers in memory".into(),
            format!(
                "{} by fingerprint and {} by content, with their texts; {} each by content",
                bytes(issuers::MAX_BYTES),
                bytes(issuers::MAX_BYTES),
                bytes(issuers::MAX_SHARED)
            ),
            "until others replace them".into(),
            "".into(),
            "parsed again when needed".into(),
            "`log_client::issuers`; `certificate::issuer`".into(),
        ],
        [
            "issuers on disk".into(),
            format!("{}, {} files", bytes(issuers::DISK_LIMITS.bytes), issuers::DISK_LIMITS.files),
            "counted at the start".into(),
            "".into(),
            "fetched again when needed".into(),
            "`log_client::issuers`".into(),
        ],
        [
            "undecodable entries on disk".into(),
            format!("{}, {} files", bytes(undecodable::LIMITS.bytes), undecodable::LIMITS.files),
            "counted at the start".into(),
            "".into(),
            "counted, not kept".into(),
            "`state`".into(),
        ],
        [
            "evidence on disk".into(),
            format!(
                "{}, {} files of each kind",
                bytes(evidence::LIMITS.bytes),
                evidence::LIMITS.files
            ),
            "counted at the start".into(),
            "".into(),
            "reported in the log file, not stored".into(),
            "`state`".into(),
        ],
        [
            "signed tree heads that wait to be compared".into(),
            format!(
                "{} of each log, {} of all in the file",
                unreconciled::MAX_UNRECONCILED,
                positions::MAX_SAVED_HEADS
            ),
            "until they are proven, also over restarts".into(),
            "".into(),
            "those closest to another one are left out".into(),
            "`log_watcher::unreconciled`; `state::positions`".into(),
        ],
        [
            "what was skipped by decision".into(),
            format!(
                "{} shown for each log; {}, {} files",
                log_cursor::MAX_SKIPS,
                bytes(skipped::LIMITS.bytes),
                skipped::LIMITS.files
            ),
            "until it is acknowledged".into(),
            "".into(),
            "the oldest is no longer shown; reported in the log file, not stored".into(),
            "`log_watcher::log_cursor`; `state`".into(),
        ],
        [
            "request rates that were learned".into(),
            format!("{} operators whose logs are not watched", limits::MAX_LEARNED),
            "over restarts".into(),
            "".into(),
            "forgotten, and learned again".into(),
            "`log_client::limits`".into(),
        ],
    ]
}

fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| what | how much | how long | how often | beyond it | held by |\n|---|---|---|---|---|---|\n",
    );
    for row in rows {
        writeln!(table, "| {} |", row.join(" | ")).unwrap();
    }
    table
}

#[test]
fn the_limits_page_is_made_from_the_code() {
    let written = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = written.split_once(BEGIN).expect("the beginning of the tables");
    let (_, behind) = rest.split_once(END).expect("their end");
    let made = format!(
        "{before}{BEGIN}### Connections\n\n{}\n### What comes from logs, lists and files\n\n{}{END}{behind}",
        table(&connections()),
        table(&inputs())
    );
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PAGE, &made).unwrap();
    } else {
        assert!(made == written, "{PAGE} is old; UPDATE_DOCS=1 cargo test --lib limits");
    }
}
