//! Limits and services of the operating system, except sockets.

mod allocator;
pub(crate) mod descriptors;
mod file;
pub(crate) mod service_manager;
pub(crate) mod tcp_memory;

pub(crate) use allocator::give_back;
pub(crate) use allocator::tune_allocator;
pub(crate) use descriptors::raise_limit;
pub(crate) use file::{Durability, read_file, replace_file};
