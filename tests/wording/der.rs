//! A small encoder of DER, for certificates that no CA would issue.

/// One TLV with a definite length.
pub fn tlv(tag: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
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

pub fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, parts.concat())
}

pub fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, parts.concat())
}

pub fn int(content: &[u8]) -> Vec<u8> {
    tlv(0x02, content)
}

pub fn bits(unused: u8, bytes: &[u8]) -> Vec<u8> {
    tlv(0x03, [&[unused], bytes].concat())
}

pub fn octets(content: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x04, content)
}

pub fn utf8(text: &str) -> Vec<u8> {
    tlv(0x0C, text)
}

pub fn ia5(text: &str) -> Vec<u8> {
    tlv(0x16, text)
}

/// The content of an OBJECT IDENTIFIER.
pub fn oid_content(dotted: &str) -> Vec<u8> {
    let mut arcs = dotted.split('.').map(|arc| arc.parse::<u64>().expect("an arc"));
    let (root, second) = (arcs.next().expect("a root"), arcs.next().expect("a second arc"));
    let mut content = Vec::new();
    for arc in std::iter::once(root * 40 + second).chain(arcs) {
        let groups = (1..10).rev().filter(|group| arc >> (group * 7) != 0);
        content.extend(groups.map(|group| 0x80 | (arc >> (group * 7) & 0x7F) as u8));
        content.push((arc & 0x7F) as u8);
    }
    content
}

pub fn oid(dotted: &str) -> Vec<u8> {
    tlv(0x06, oid_content(dotted))
}

/// AttributeTypeAndValue
pub fn attribute(dotted: &str, value: Vec<u8>) -> Vec<u8> {
    seq(&[oid(dotted), value])
}

/// A name whose RDNs have one attribute each.
pub fn name(attributes: &[Vec<u8>]) -> Vec<u8> {
    seq(&attributes.iter().map(|attribute| tlv(0x31, attribute)).collect::<Vec<_>>())
}

pub fn extension(dotted: &str, value: &[u8]) -> Vec<u8> {
    seq(&[oid(dotted), octets(value)])
}

/// The fields of a certificate, each with its header. Tests change single fields.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    pub algorithm: Vec<u8>,
    pub issuer: Vec<u8>,
    pub not_before: Vec<u8>,
    pub not_after: Vec<u8>,
    pub subject: Vec<u8>,
    pub public_key: Vec<u8>,
    pub extensions: Vec<Vec<u8>>,
}

impl Default for Certificate {
    fn default() -> Self {
        Certificate {
            version: tlv(0xA0, int(&[2 /* v3 */])),
            serial: int(&[0x10, 0x01]),
            algorithm: seq(&[oid("1.2.840.10045.4.3.2")]),
            issuer: name(&[attribute("2.5.4.6", tlv(0x13, "US")), attribute("2.5.4.3", utf8("A CA"))]),
            not_before: tlv(0x17, "240102030405Z"),
            not_after: tlv(0x18, "20501231235959Z"),
            subject: name(&[attribute("2.5.4.3", utf8("a.example"))]),
            public_key: seq(&[seq(&[oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")]), bits(0, &[4])]),
            extensions: Vec::new(),
        }
    }
}

impl Certificate {
    pub fn with_extension(dotted: &str, value: &[u8]) -> Self {
        Certificate { extensions: vec![extension(dotted, value)], ..Certificate::default() }
    }

    pub fn with_subject(subject: Vec<u8>) -> Self {
        Certificate { subject, ..Certificate::default() }
    }

    pub fn der(&self) -> Vec<u8> {
        let mut tbs = vec![
            self.version.clone(),
            self.serial.clone(),
            self.algorithm.clone(),
            self.issuer.clone(),
            seq(&[self.not_before.clone(), self.not_after.clone()]),
            self.subject.clone(),
            self.public_key.clone(),
        ];
        if !self.extensions.is_empty() {
            tbs.push(tlv(0xA3, seq(&self.extensions)));
        }
        seq(&[seq(&tbs), self.algorithm.clone(), bits(0, &[1, 2])])
    }
}
