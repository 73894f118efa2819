//! The wording of certificates, proved: against OpenSSL's own printer, and against what hostile
//! certificates could do to it.
//!
//! ```text
//! sources, rare, generated ─ certificates ─► compare ◄─ reference (what OpenSSL says, unsafe)
//!                                              ▲
//!                           layout (line feeds), differences (all others, each with its reason)
//! ```

mod compare;
mod der;
mod differences;
mod equality;
mod generated;
mod hostile;
mod issuance;
mod layout;
mod rare;
mod reference;
mod seeds;
mod signed;
mod sources;
