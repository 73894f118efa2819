//! The client connections below HTTP: TCP, TLS, and the resources of each connection.
//!
//! | file | what it is for |
//! |---|---|
//! | `stream` | a connection as HTTP and WebSocket read and write it |
//! | `tcp`, `tls` | its socket, with the rate limit for reading; its encryption |
//! | `connections` | all connections: the memory that each holds, whether it makes progress, and how other tasks end it |
//! | `budget` | the memory that all of them may hold together |

pub(crate) mod budget;
mod connections;
mod stream;
pub(crate) mod tcp;
pub(crate) mod tls;

pub(crate) use budget::Budget;
pub(crate) use connections::{Connections, Phase, Record};
pub(crate) use stream::{Claim, Io, Transport};
pub(crate) use tcp::Tcp;
pub(crate) use tls::{Tls, TlsError};
