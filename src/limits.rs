//! The table of all limits in docs/security.md. It is generated from the constants, so that it stays up to date.

use crate::access::arrivals;
use crate::actors::{broker, client_messages, connection, log_watcher, ring_buffer, socket};
use crate::cli::logging::budget;
use crate::config::read;
use crate::ct::{entry, log_list as list, names_tile};
use crate::log_client::{http as log_http, issuers, limits, memory, rfc6962, static_ct, tiles};
use crate::log_list::download;
use crate::message::client_frames;
use crate::rate::Rate;
use crate::server::{self, gate, http};
use crate::state::{evidence, positions, undecodable};
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

fn bytes(n: impl TryInto<u64>) -> String {
    match n.try_into().unwrap_or(u64::MAX) {
        n if n >= 1 << 20 && n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n if n >= 1 << 10 && n.is_multiple_of(1 << 10) => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
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
                "1 descriptor; in the kernel {} of what it says, {} of answers to it, as the kernel counts",
                bytes(2 * server::RECEIVE_BUFFER),
                bytes(2 * server::ANSWER_BUFFER)
            ),
            "that of what it speaks, below".into(),
            format!(
                "{} of what it says per second, {} at once; under TLS {} and {}",
                bytes(tcp::RECEIVE_RATE.per_second),
                bytes(tcp::RECEIVE_RATE.burst),
                bytes(tcp::TLS_RECEIVE_RATE.per_second),
                bytes(tcp::TLS_RECEIVE_RATE.burst)
            ),
            "it is read more slowly; TCP holds the client back".into(),
            "`attack`: floods; `transport::tcp`".into(),
        ],
        [
            "one that is refused".into(),
            format!(
                "4 KiB; {} at once, or an eighth of the open files allowed; none under TLS",
                descriptors::REFUSED
            ),
            time(gate::REFUSAL_TIME),
            "as many as are accepted".into(),
            "closed without a word".into(),
            "`attack`: descriptors".into(),
        ],
        [
            "TLS handshake".into(),
            format!(
                "{} of what it says; OpenSSL's state and a record each way, some 50 KB for as long as the client takes nothing",
                bytes(tcp::MAX_TLS_HANDSHAKE)
            ),
            "`access.handshake_timeout`".into(),
            "as above".into(),
            "closed".into(),
            "`api`: tls; `attack`".into(),
        ],
        [
            "new connections of an address".into(),
            format!(
                "{} addresses are remembered, of IPv6 networks of 64 bits; trusted proxies are exempt",
                arrivals::REMEMBERED
            ),
            "they wait for up to `access.handshake_timeout`, and nothing is read from them".into(),
            format!(
                "`access.new_connections_per_address`, {} seconds' worth at once",
                arrivals::BURST_SECONDS
            ),
            "429; under TLS closed without a word".into(),
            "`access::arrivals`; `api`: access".into(),
        ],
        [
            "HTTP request".into(),
            format!("{} of head, 96 headers; one at a time; no body is read", bytes(http::MAX_REQUEST_HEAD)),
            "`access.handshake_timeout` for the whole head, after the answer before".into(),
            rate(http::REQUESTS, "requests"),
            "431, 400, 408, then closed; above the rate the next is read later".into(),
            "`api`: http; `server::http`; `attack`: floods, stateful".into(),
        ],
        [
            "HTTP answer".into(),
            format!(
                "one at a time; shared by those who ask at once; {} of it lie unsent in the kernel",
                bytes(server::ANSWER_UNSENT)
            ),
            "`clients.stall_timeout` without the client taking any".into(),
            format!(
                "each kind of costly answer may take {} ms of a second to make, but one is made every second",
                crate::routes::MAKING.per_second / 1000
            ),
            "cut off; costly answers are made later".into(),
            "`api`: http; `routes::on_demand`; `attack`: floods".into(),
        ],
        [
            "Server-Sent Events".into(),
            format!(
                "`clients.queue_bytes`, `queue_age`; {} of it lie unsent in the kernel, {} in all",
                bytes(socket::EVENTS_UNSENT),
                bytes(2 * socket::SEND_BUFFER)
            ),
            format!(
                "`clients.stall_timeout` without taking any, then {} for the rest; gone when it hangs up",
                time(broker::STALLED_GRACE)
            ),
            "what it says is dropped, at the rate above".into(),
            "`clients.when_full`; then the end of the answer, then cut off".into(),
            "`api`: wires, slow_clients; `attack`: floods".into(),
        ],
        [
            "WebSocket".into(),
            format!(
                "`clients.queue_bytes`, `queue_age`; {} in the kernel; of what it says nothing is kept but a ping and a close \
                 frame; messages of {}",
                bytes(2 * socket::SEND_BUFFER),
                bytes(client_frames::MAX_MESSAGE)
            ),
            format!(
                "the same; `clients.pong_timeout` without a word; {} for its close frame",
                time(connection::CLOSE_TIMEOUT)
            ),
            format!(
                "{}, above which it is read more slowly; of them control frames: {}",
                rate(client_messages::FRAMES, "frames"),
                rate(client_messages::CONTROL_FRAMES, "frames")
            ),
            "the same; close codes 1001 (also for too many control frames), 1002, 1007, 1009".into(),
            "`api`: protocol, slow_clients; `message::client_frames`; `attack`: floods, stateful; fuzzing"
                .into(),
        ],
        [
            "one that ends".into(),
            "what it still says is dropped".into(),
            format!(
                "{}; with something left for it, as long as it takes some every {}",
                time(socket::LINGER),
                time(socket::TAKING)
            ),
            "as above".into(),
            "cut off".into(),
            "`api`: http, shutdown".into(),
        ],
        [
            "the admins' listener".into(),
            format!("{} connections, which clients cannot take up", descriptors::MAX_ADMINS),
            "as HTTP".into(),
            "as HTTP".into(),
            "503; 403 to those who are no admins, before they take any".into(),
            "`api`: access".into(),
        ],
        [
            "all connections together".into(),
            format!(
                "`access.connections`, `connections_per_address`, and the open files allowed less {} (or half of them); \
                 `clients.all_queues_bytes`; `clients.all_unsent_bytes` for those who take nothing, at most half of \
                 what the kernel gives TCP",
                descriptors::OTHERS
            ),
            format!("looked at every {}", time(connection_budget::SWEEP_INTERVAL)),
            "log lines: those below".into(),
            "503, 429; queues are dropped; those who take least and hold most are cut off".into(),
            "`transport::connections`; `api`: slow_clients; `attack`".into(),
        ],
        [
            "lines in the log file".into(),
            format!("{} characters each", crate::printable::MAX_LINE_CHARS),
            format!("summed up every {}", time(budget::SUMMARY_INTERVAL)),
            format!(
                "{}/s and {} at once for each place in the code, {}/s and {} at once for all; what clients do is on level \
                 debug",
                budget::PLACE_PER_SECOND,
                budget::PLACE_BURST,
                budget::ALL_PER_SECOND,
                budget::ALL_BURST
            ),
            "left out and counted".into(),
            "`cli::logging`; `attack`: floods; `hostile_logs`".into(),
        ],
    ]
}

fn inputs() -> Vec<Row> {
    let timeout = "`fetch.timeout` for the whole answer";
    let request = "`fetch.operator_requests_per_second`";
    let log = "the answer is given up, its connection closed, and asked for again with growing pauses";
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
                "{}; one entry alone: {}; as many entries as were asked for",
                bytes(rfc6962::MAX_PAGE_BYTES),
                bytes(rfc6962::MAX_ENTRY_PAGE_BYTES)
            ),
        ),
        answer("tile", format!("{}, 256 entries or hashes", bytes(tiles::MAX_TILE_BYTES))),
        answer(
            "names tile",
            format!("{} names an entry, {} a tile", names_tile::MAX_ENTRY_NAMES, names_tile::MAX_TILE_NAMES),
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
            "answer with an error",
            format!(
                "{}, of which {} characters are told",
                bytes(log_http::MAX_ERROR_BYTES),
                log_http::MAX_DETAIL_CHARS
            ),
        ),
        [
            "connections to a log".into(),
            format!(
                "{}; of bodies above {} one at a time",
                log_http::MAX_CONNECTIONS,
                bytes(log_http::MAX_BESIDE_BYTES)
            ),
            time(log_http::CONNECT_TIMEOUT),
            "`fetch.operator_requests_at_once`, `fetch.in_flight`".into(),
            "the next request waits".into(),
            held.into(),
        ],
        [
            "requests to all operators".into(),
            format!("one to each, and {} beside; every one takes an open file", limits::MAX_BESIDE),
            "".into(),
            "".into(),
            "the next request waits".into(),
            "`log_client::limits`".into(),
        ],
        [
            "an entry that is sent".into(),
            format!(
                "certificate and chain of {}, {} certificates of a chain; its message has up to 13 times as many, of a \
                 certificate made for that",
                bytes(entry::MAX_ENTRY_BYTES),
                entry::MAX_CHAIN_CERTIFICATES
            ),
            "".into(),
            format!("one batch of more than {} of all logs at a time", bytes(2 * log_watcher::unverified::MAX_BATCH_BYTES)),
            "counted, kept like an undecodable one, not sent; of a longer chain the first certificates are".into(),
            "`ct::entry`; `log_client::tiles`".into(),
        ],
        [
            "what waits of a log in memory".into(),
            format!(
                "of each: {} not proven, {} not sent, and the pages that are under way",
                bytes(log_watcher::unverified::MAX_UNVERIFIED_BYTES),
                bytes(log_watcher::release::MAX_WAITING_BYTES)
            ),
            "until it is sent".into(),
            "as the clients take it".into(),
            "nothing more of the log is fetched".into(),
            "`log_watcher`; `hostile_logs`".into(),
        ],
        [
            "what waits of all logs in memory".into(),
            format!(
                "{}, answers under way included; then up to {} by answers that are under way, and {} for each log beyond twice \
                 that",
                bytes(memory::ROOM),
                bytes(memory::MOST),
                bytes(memory::LEAST)
            ),
            "".into(),
            "".into(),
            "one page at a time of logs above their share; then answers to these are given up, and pages become smaller"
                .into(),
            "`log_client::memory`; `log_client`; `hostile_logs`".into(),
        ],
        [
            "newest messages for the JSON routes".into(),
            format!(
                "`newest.messages`; certificate and chain of {}, so a message of {} at most",
                bytes(ring_buffer::MAX_ENTRY_BYTES),
                bytes(16 * ring_buffer::MAX_ENTRY_BYTES)
            ),
            "until newer ones come".into(),
            "".into(),
            "sent to the clients, and not kept".into(),
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
            format!("{} to connect", time(download::CONNECT_TIMEOUT)),
            format!("`log_list.refresh_interval`; {} redirects", download::MAX_REDIRECTS),
            "the list before stays in force".into(),
            "`log_list`".into(),
        ],
        [
            "configuration".into(),
            bytes(read::MAX_FILE_BYTES),
            "at the start and at SIGHUP".into(),
            "".into(),
            "refused with a line that says why; nothing changes".into(),
            "`config`; `api`: reload, command_line".into(),
        ],
        [
            "certificates and key of the server".into(),
            format!("{} each", bytes(tls::MAX_PEM_BYTES)),
            "at the start, when they change, and at SIGHUP".into(),
            "".into(),
            "refused with a line that says why; those before stay in force".into(),
            "`api`: tls".into(),
        ],
        [
            "positions of logs".into(),
            format!("{} logs, heads of {}", positions::MAX_POSITIONS, bytes(positions::MAX_HEAD_BYTES)),
            "as long as the folder".into(),
            "".into(),
            "those that come then begin anew after a restart; of larger heads the tree alone is kept".into(),
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
            "until others come".into(),
            "".into(),
            "parsed again when they are needed".into(),
            "`log_client::issuers`; `certificate::issuer`".into(),
        ],
        [
            "issuers on disk".into(),
            format!("{}, {} files", bytes(issuers::MAX_DISK_BYTES), issuers::MAX_FILES),
            "counted at the start".into(),
            "".into(),
            "fetched again when they are needed".into(),
            "`log_client::issuers`".into(),
        ],
        [
            "undecodable entries on disk".into(),
            format!("{}, {} files", bytes(undecodable::MAX_BYTES), undecodable::MAX_FILES),
            "counted at the start".into(),
            "".into(),
            "counted, not kept".into(),
            "`state`".into(),
        ],
        [
            "evidence on disk".into(),
            format!(
                "{}, {} files of each kind",
                bytes(evidence::MAX_BYTES_OF_KIND),
                evidence::MAX_FILES_OF_KIND
            ),
            "counted at the start".into(),
            "".into(),
            "told in the log file, not kept".into(),
            "`state`".into(),
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
