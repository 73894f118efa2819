//! What is kept on disk.

mod undecodable;

pub use undecodable::{Undecodable, UndecodableEntry};
