//! The connections of clients below HTTP: TCP, TLS, and what each connection holds.
//!
//! | file | what it is for |
//! |---|---|
//! | `stream` | a connection as HTTP and WebSocket read and write it |
//! | `tcp`, `tls` | its socket, with the rate at which it is read; its encryption |
//! | `connections` | all of them: what each holds, whether it makes progress, and how it is ended from outside |
//! | `budget` | what all of them may hold together |

pub(crate) mod budget;
mod connections;
mod stream;
pub(crate) mod tcp;
pub(crate) mod tls;

pub(crate) use budget::Budget;
pub(crate) use connections::{Connections, Phase, Record};
pub(crate) use stream::{Claim, Io, Transport};
pub(crate) use tcp::Tcp;
pub use tls::{Tls, TlsError};
