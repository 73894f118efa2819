//! X.509 certificates (RFC 5280) to the JSON texts of the wire format, straight from the DER.
//!
//! A [`Certificate`] is parsed once; everything else is written or computed from it: what `leaf_cert` and the objects of
//! `chain` say, with the texts of extensions as OpenSSL 1.1 has them, and the hashes. This module does not know where a
//! certificate came from, and never asks OpenSSL for a text, so the texts do not depend on the OpenSSL that is linked.
//!
//! ```text
//! DER -> Certificate (parts, extensions) -> name, extensions, time, ... -> JSON in the out buffer
//!                    \-> faults (what could not be read) -> parse_error
//! ```
//!
//! - `der` reads tags and lengths, `parts` finds the parts, also those of a broken certificate;
//! - `model` is the certificate, `wire` its JSON, `issuer` a certificate of a chain with its finished JSON;
//! - `issuance` hashes what the precert and the certificate of one issuance have in common;
//! - `text`, `name`, `general_name`, `integer`, `time`, `objects` word the building blocks;
//! - `extensions` has one file for each family of extensions;
//! - `json` and `hex` write, `domains` makes `all_domains`, `faults` makes `parse_error`;
//! - `precert` compares a precertificate with what its log signed.
//!
//! Nothing here fails but that comparison. What cannot be read is left empty: names without attributes, null times, an
//! empty `serial_number` or `signature_algorithm`, an extension that is `"NULL"`.

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
mod objects;
mod parts;
pub mod precert;
mod signature_algorithm;
mod text;
mod time;
mod wire;

#[cfg(test)]
mod tests;

pub use issuer::Issuer;
pub use model::{Certificate, LeafKind};
pub use wire::{Leaf, LeafMarks};
