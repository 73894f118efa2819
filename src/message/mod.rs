//! The messages to clients: converts decoded entries to JSON texts and WebSocket frames.
//!
//! Pure: no input or output, no clock, no actors. Only this module maps the terms of Certificate Transparency
//! to those of certstream (`leaf_cert`, `cert_index`, `seen`).
//!
//! ```text
//! LogEntry + Source ── CertEntry ── EntryBatch ──┬── Frames of the full stream
//!                                                ├── Frames of the lite stream      (each built once, if it
//!                                                └── Frames of the domains stream    has subscribers; also compressed,
//!                                                                                    or as events)
//! ```
//!
//! A [`Selection`] has the messages of some entries of a batch, for clients with filters.
//!
//! In the other direction, [`ClientFrames`] parses what clients send.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod batch;
mod certificate_update;
pub(crate) mod client_frames;
mod demand;
mod frames;
mod lines;
mod members;
mod notices;
mod seconds;
mod selection;
mod source;
mod stream;
mod wire;

pub use batch::EntryBatch;
pub use certificate_update::CertEntry;
pub use client_frames::{ClientEnd, ClientFrames, ClosePayload, FrameCount, Heard, Violation};
pub use demand::Demand;
pub(crate) use frames::FramesBuilder;
pub use frames::{Frames, close_frame, plain_close_frame, pong_frame};
pub(crate) use lines::{is_heartbeat, number_of};
#[cfg(any(feature = "kafka", feature = "nats"))]
pub(crate) use members::log_url_of;
#[cfg(feature = "nats")]
pub(crate) use members::names_of;
#[cfg(feature = "kafka")]
pub(crate) use members::{log_id_of, tbs_sha256_of};
pub use notices::{gap, heartbeat, log_alert, subscribed};
pub use selection::Selection;
pub use stream::Stream;
pub use wire::{Wire, accept_deflate, events};
