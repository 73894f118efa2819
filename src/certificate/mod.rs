//! Converts X.509 certificates (RFC 5280) to the JSON of the wire format, directly from the DER.
//!
//! A [`Certificate`] is parsed once. Everything else is written or computed from it: `leaf_cert`, the objects
//! of `chain`, the texts of extensions in the format of OpenSSL 1.1, and the hashes. This module does not
//! know where a certificate came from. It never calls OpenSSL for a text, so the texts do not depend on the
//! version of OpenSSL that is linked.
//!
//! ```text
//! DER -> Certificate (parts, extensions) -> name, extensions, time, ... -> JSON in the out buffer
//!                    \-> faults (what could not be read) -> parse_error
//! ```
//!
//! - `der` reads tags and lengths; `parts` locates the parts of a certificate, even of a malformed one;
//! - `model` is the certificate, `wire` its JSON, `issuer` a certificate of a chain with its encoded JSON;
//! - `names_alone` finds the names and nothing else;
//! - `issuance` hashes the common part of the precert and the certificate of one issuance;
//! - `text`, `name`, `general_name`, `integer`, `time` and `objects` print the basic types;
//! - `extensions` has one file for each family of extensions;
//! - `json` and `hex` encode, `domains` writes `all_domains`, `faults` writes `parse_error`;
//! - `precert` compares a precertificate with the data that its log signed.
//!
//! Only that comparison can fail. Parts that cannot be parsed are left empty: names without attributes, null
//! times, an empty `serial_number` or `signature_algorithm`, an extension that is `"NULL"`.

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic, unsafe_code)]

mod der;
mod digests;
mod domains;
mod extensions;
mod faults;
mod general_name;
mod hex;
mod integer;
mod issuance;
mod issuer;
mod json;
mod model;
mod name;
mod names_alone;
mod objects;
mod parts;
pub mod precert;
mod signature_algorithm;
mod text;
mod time;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use digests::sha256;
pub use issuer::Issuer;
pub use model::{Certificate, LeafKind};
pub use names_alone::visit_domains;
pub use wire::{Leaf, LeafMarks};
