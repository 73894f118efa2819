//! Following a list over real HTTP, and what is in force when that fails.

mod following;
mod keeping;
mod server;
mod watched;
