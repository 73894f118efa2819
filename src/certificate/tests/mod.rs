//! Builds certificates by hand, writes them as JSON and parses that JSON.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod domains;
mod extensions;
mod issuance;
mod leaf;
mod names;
mod names_alone;
mod precert;
mod salvage;
mod units;

use serde_json::Value;

use super::{Certificate as Parsed, Leaf, LeafKind, LeafMarks};

pub(super) const SAN: &str = "2.5.29.17";

/// One TLV with a definite length.
pub(super) fn tlv(tag: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut out = vec![tag];
    match content.len() {
        length @ 0..=0x7F => out.push(length as u8),
        length @ 0x80..=0xFF => out.extend([0x81, length as u8]),
        length @ 0x100..=0xFFFF => out.extend([0x82, (length >> 8) as u8, length as u8]),
        length => out.extend([0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8]),
    }
    out.extend(content);
    out
}

pub(super) fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, parts.concat())
}

pub(super) fn oid(dotted: &str) -> Vec<u8> {
    tlv(0x06, super::objects::encode(dotted).unwrap())
}

/// An RDN with a single attribute.
pub(super) fn attribute(dotted: &str, tag: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x31, seq(&[oid(dotted), tlv(tag, value)]))
}

pub(super) fn extension(dotted: &str, value: Vec<u8>) -> Vec<u8> {
    seq(&[oid(dotted), tlv(0x04, value)])
}

pub(super) fn dns(name: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x82, name)
}

/// The properties of a certificate that a test can change.
pub(super) struct Certificate {
    pub serial: Vec<u8>,
    pub algorithm: Vec<u8>,
    pub issuer: Vec<Vec<u8>>,
    pub validity: Vec<u8>,
    pub subject: Vec<Vec<u8>>,
    pub extensions: Vec<Vec<u8>>,
}

impl Default for Certificate {
    fn default() -> Self {
        Certificate {
            serial: tlv(0x02, [0x10, 0x01]),
            algorithm: seq(&[oid("1.2.840.10045.4.3.2")]),
            issuer: vec![attribute("2.5.4.6", 0x13, "US")],
            validity: seq(&[tlv(0x17, "240102030405Z"), tlv(0x18, "20501231235959Z")]),
            subject: vec![attribute("2.5.4.3", 0x0C, "a.example")],
            extensions: Vec::new(),
        }
    }
}

impl Certificate {
    pub fn with_extension(dotted: &str, value: Vec<u8>) -> Self {
        Certificate { extensions: vec![extension(dotted, value)], ..Certificate::default() }
    }

    pub fn with_subject(subject: &[Vec<u8>]) -> Self {
        Certificate { subject: subject.to_vec(), ..Certificate::default() }
    }

    pub fn der(&self) -> Vec<u8> {
        seq(&[self.tbs(), self.algorithm.clone(), tlv(0x03, [0, 1, 2])])
    }

    pub fn tbs(&self) -> Vec<u8> {
        let mut tbs = vec![
            tlv(0xA0, tlv(0x02, [2])),
            self.serial.clone(),
            self.algorithm.clone(),
            seq(&self.issuer),
            self.validity.clone(),
            seq(&self.subject),
            self.public_key(),
        ];
        if !self.extensions.is_empty() {
            tbs.push(tlv(0xA3, seq(&self.extensions)));
        }
        seq(&tbs)
    }

    pub fn public_key(&self) -> Vec<u8> {
        seq(&[seq(&[oid("1.2.840.10045.2.1")]), tlv(0x03, [0, 4])])
    }

    pub fn worded(&self) -> Value {
        worded(&self.der())
    }
}

pub(super) fn word(der: &[u8], kind: LeafKind, with_der: bool) -> (Vec<u8>, LeafMarks) {
    let mut out = Vec::new();
    let marks = Parsed::parse(der).write_leaf(Leaf { kind, tbs_sha256: None, with_der }, &mut out);
    (out, marks)
}

pub(super) fn write_issuer(der: &[u8], out: &mut Vec<u8>) {
    Parsed::parse(der).write_issuer(out);
}

pub(super) fn write_all_domains(der: &[u8], out: &mut Vec<u8>) {
    Parsed::parse(der).write_all_domains(out);
}

pub(super) fn worded(der: &[u8]) -> Value {
    serde_json::from_slice(&word(der, LeafKind::X509, true).0).expect("the leaf is JSON")
}
