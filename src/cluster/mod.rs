//! Several servers that share one journal: a stream of NATS JetStream. Ingesters append the blocks of the logs, edges serve
//! clients from it.
//!
//! ```text
//! CT logs ─► LogWatcher ─► Appender ─► stream ─► Tail ─► Follower ─► Broker ─► clients
//!              ▲  (ingester)             │        (edge)              ▲
//!              │                         └─► Archive ─► Replayer ─────┘
//!              └── Member: leases, in the bucket; so are the logs' positions, and the filters that clients have put
//! ```
//!
//! | file | what it is for |
//! |---|---|
//! | `engine.rs` | the connection to the engine |
//! | `error.rs` | why something was not done |
//! | `stream.rs` | the stream and the bucket, and whether they are as they should be |
//! | `names.rs` | what things are called in the engine, and the numbers of entries |
//! | `message.rs` | a block as a message |
//! | `appender.rs` | appends blocks, each exactly once |
//! | `fences.rs` | what the next block of each log must follow |
//! | `lost_numbers.rs` | numbers of messages that the engine has lost are not given again |
//! | `positions.rs` | the positions of the logs, which do not age |
//! | `leases.rs`, `members.rs` | which ingester fetches which logs |
//! | `journal.rs`, `archive.rs` | the stream as clients read it |
//! | `tail.rs` | the newest blocks, and notices about logs |
//! | `chains.rs` | whether the blocks of each log follow one another |
//! | `edge_file.rs` | how far an edge had read, for clients without a cursor |
//! | `filters.rs` | filters that clients have put |
//! | `output_leases.rs` | on which edge each output runs, and how far it has come |
//! | `reports.rs` | what servers tell each other of themselves |
//! | `parts.rs` | starts all of this |

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod appender;
mod archive;
mod chains;
mod edge_file;
mod engine;
mod error;
mod fences;
mod filters;
mod journal;
mod leases;
mod lost_numbers;
mod members;
mod message;
mod names;
mod output_leases;
mod parts;
mod positions;
mod reports;
mod stream;
mod tail;

#[allow(unreachable_pub, reason = "it is a part of StartError")]
pub use error::ClusterError;
pub(crate) use parts::{Edge, Ingester, Status, export, import, status};
pub(crate) use reports::{Report, Work};
pub(crate) use tail::Arrived;
