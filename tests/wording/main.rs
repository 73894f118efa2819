//! Tests the texts of certificates: compares them with OpenSSL's own printer, and limits the effects of
//! hostile certificates.
//!
//! ```text
//! sources, rare, generated ─ certificates ─► compare ◄─ reference (output of OpenSSL, unsafe)
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
