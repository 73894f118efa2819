//! The limits of connections and clients.

use super::{Row, bytes, rate, time};
use crate::access::arrivals;
use crate::actors::{linger, reader, session, socket};
use crate::cli::logging::budget;
use crate::filter::Limits;
use crate::message::client_frames;
use crate::named_filters;
use crate::routes;
use crate::server::{self, gate, http};
use crate::system::descriptors;
use crate::transport::{budget as connection_budget, tcp};

const FILTER: Limits = Limits::DEFAULT;

/// The rows of the table.
pub(super) fn connections() -> Vec<Row> {
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
                "head of {}, 96 headers; one at a time; bodies are only read by `/filters`",
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
                routes::MAKING.per_second / 1000
            ),
            "the connection is cut off; expensive responses are delayed".into(),
            "`api`: http; `routes::on_demand`; `attack`: floods".into(),
        ],
        [
            "what was seen, for `unique=`".into(),
            "`unique.max_bytes` of memory and as much on disk".into(),
            "`unique.window`".into(),
            String::new(),
            "the oldest is forgotten, and sent again if it comes again".into(),
            "`unique`".into(),
        ],
        [
            "filter".into(),
            format!(
                "what fits in the head of a request; `filter_limits`: {} values of {}, of which {} of `contains`, {} of `lookalike` \
                 and {} of `regex`, each compiled to {}; of all clients together `clients.filter_bytes`",
                FILTER.values,
                bytes(FILTER.value_bytes),
                FILTER.contains,
                FILTER.lookalikes,
                FILTER.regexes,
                bytes(FILTER.regex_bytes)
            ),
            "as long as a client has it".into(),
            format!(
                "filters of new clients are read for {} ms of each second, one after the other; each entry is matched in \
                 linear time, once for all filters",
                routes::WORK.per_second / 1000
            ),
            "400; 503 for the memory of all; new clients with a filter wait".into(),
            "`filter`; `api`: filters".into(),
        ],
        [
            "filter that is put (`/filters`)".into(),
            format!(
                "body of {}; {} of all that are being received; {} filters are kept, and `clients.kept_filter_bytes`",
                bytes(routes::MAX_BODY),
                bytes(routes::MAX_BODIES),
                named_filters::MAX_KEPT
            ),
            format!(
                "{} for the body, `access.handshake_timeout` without any of it; 30 days without use",
                time(http::BODY_TIME)
            ),
            "read with those of new clients, as above".into(),
            "400, 503; the longest unused goes, unless a client has it or has used it within a day".into(),
            "`named_filters`; `routes::body`; `api`: named_filters".into(),
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
