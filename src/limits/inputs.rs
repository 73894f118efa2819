//! The limits of what comes from logs, lists and files.

use super::{Row, bytes, time};
use crate::actors::log_watcher::{log_cursor, unreconciled};
use crate::actors::{log_watcher, ring_buffer};
use crate::config::{filters, read};
use crate::ct::{entry, log_list as list, names_tile};
use crate::http_client::client as http_client;
use crate::journal;
use crate::log_client::{http as log_http, issuers, limits, memory, rfc6962, static_ct, tiles};
use crate::log_list::download;
use crate::spare;
use crate::state::{evidence, positions, skipped, undecodable};
use crate::transport::tls;

/// The rows of the table.
pub(super) fn inputs() -> Vec<Row> {
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
                "`journal.max_bytes` and one segment, in memory at most {}; at most {} segments, each one open file; a block \
                 of at most {}; {} blocks that wait to be written; {} of blocks in memory that clients read",
                bytes(journal::MAX_IN_MEMORY as usize),
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
            "list file of a named filter".into(),
            format!("{}; the values of a filter, as for clients", bytes(filters::MAX_LIST_BYTES)),
            "at the start, when it changes, and at SIGHUP".into(),
            "".into(),
            "refused with an error; the previous values stay in use".into(),
            "`config`; `api`: named_filters".into(),
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
