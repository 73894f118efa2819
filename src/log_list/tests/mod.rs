//! Tests that follow a list over real HTTP, and the list in force when that fails.

mod following;
mod keeping;
mod server;
mod watched;
