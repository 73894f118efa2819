//! Encodes the subset of DER (X.690) that certificates need.
//!
//! It does not check that the result is a valid certificate; that is up to the caller. It contains no
//! decoder.

use chrono::{DateTime, Datelike, Utc};

/// Identifier octets (X.690 section 8.1.2).
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0C;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[n]` with primitive content, as for a string with IMPLICIT tagging.
    pub(crate) const fn context(n: u8) -> u8 {
        0x80 | n
    }

    /// `[n]` with constructed content, as for EXPLICIT tagging.
    pub(crate) const fn context_constructed(n: u8) -> u8 {
        0xA0 | n
    }
}

/// A buffer of DER that consecutive elements are appended to.
#[derive(Default)]
pub(super) struct Der {
    bytes: Vec<u8>,
}

impl Der {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::with_capacity(1_500) }
    }

    /// The bytes of one SEQUENCE, with the content that `content` writes.
    pub(super) fn sequence_of(content: impl FnOnce(&mut Der)) -> Vec<u8> {
        let mut der = Der::new();
        der.sequence(content);
        der.into_bytes()
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends an element with the content that `content` writes.
    pub(super) fn nested(&mut self, tag: u8, content: impl FnOnce(&mut Der)) {
        self.bytes.push(tag);
        let start = self.bytes.len();
        content(self);
        let length = self.bytes.len() - start;
        // The length is known only now. Inserting its octets before the content is cheaper than measuring
        // everything in advance.
        self.bytes.splice(start..start, length_octets(length));
    }

    pub(super) fn sequence(&mut self, content: impl FnOnce(&mut Der)) {
        self.nested(tag::SEQUENCE, content);
    }

    pub(super) fn set(&mut self, content: impl FnOnce(&mut Der)) {
        self.nested(tag::SET, content);
    }

    /// Appends an element with the given content octets.
    pub(super) fn value(&mut self, tag: u8, content: &[u8]) {
        self.nested(tag, |der| der.raw(content));
    }

    /// Appends bytes that are already DER.
    pub(super) fn raw(&mut self, encoded: &[u8]) {
        self.bytes.extend_from_slice(encoded);
    }

    pub(super) fn boolean_true(&mut self) {
        self.value(tag::BOOLEAN, &[0xFF]);
    }

    pub(super) fn null(&mut self) {
        self.value(tag::NULL, &[]);
    }

    /// Appends an INTEGER, given as the big-endian bytes of a non-negative number.
    pub(super) fn unsigned(&mut self, big_endian: &[u8]) {
        let zeros = big_endian.iter().take_while(|byte| **byte == 0).count();
        let digits = big_endian.get(zeros..).unwrap_or_default();
        self.nested(tag::INTEGER, |der| {
            // Zero needs one octet, and a number whose top bit is set would be negative without a leading
            // zero.
            if digits.first().is_none_or(|first| *first >= 0x80) {
                der.raw(&[0]);
            }
            der.raw(digits);
        });
    }

    pub(super) fn octet_string(&mut self, content: &[u8]) {
        self.value(tag::OCTET_STRING, content);
    }

    /// Appends a BIT STRING of whole bytes.
    pub(super) fn bit_string(&mut self, bytes: &[u8]) {
        self.nested(tag::BIT_STRING, |der| {
            der.raw(&[0]); // no unused bits
            der.raw(bytes);
        });
    }

    /// Appends a BIT STRING of up to eight named bits, the first one in the top bit. DER omits trailing zero
    /// bits (X.690 section 11.2.2).
    pub(super) fn named_bits(&mut self, bits: u8) {
        let unused = bits.trailing_zeros() as u8 % 8;
        self.value(tag::BIT_STRING, &[unused, bits]);
    }

    /// Appends an OBJECT IDENTIFIER with these arcs, of which there must be at least two.
    pub(super) fn oid(&mut self, arcs: &[u32]) {
        self.nested(tag::OBJECT_IDENTIFIER, |der| {
            if let [first, second, rest @ ..] = arcs {
                // X.690 section 8.19.4: the first two arcs are encoded as one number.
                der.base128(first * 40 + second);
                rest.iter().for_each(|arc| der.base128(*arc));
            }
        });
    }

    /// Appends a Time (RFC 5280 section 4.1.2.5): UTCTime through 2049, GeneralizedTime from 2050 on.
    pub(super) fn time(&mut self, time: DateTime<Utc>) {
        if (1950..2050).contains(&time.year()) {
            self.value(tag::UTC_TIME, time.format("%y%m%d%H%M%SZ").to_string().as_bytes());
        } else {
            self.value(tag::GENERALIZED_TIME, time.format("%Y%m%d%H%M%SZ").to_string().as_bytes());
        }
    }

    /// Appends seven bits per octet, most significant first. The top bit is set in all octets but the last.
    fn base128(&mut self, number: u32) {
        for shift in [28, 21, 14, 7] {
            if number >> shift != 0 {
                self.bytes.push(0x80 | (number >> shift) as u8);
            }
        }
        self.bytes.push(number as u8 & 0x7F);
    }
}

/// The length octets of X.690 section 8.1.3, in the shortest definite form.
fn length_octets(length: usize) -> Vec<u8> {
    match u8::try_from(length) {
        Ok(short @ 0..0x80) => vec![short],
        _ => {
            let mut octets = length.to_be_bytes().to_vec();
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            octets.drain(..zeros);
            octets.insert(0, 0x80 | octets.len() as u8); // at most eight
            octets
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::asn1::Asn1Object;

    fn written(write: impl FnOnce(&mut Der)) -> Vec<u8> {
        let mut der = Der::new();
        write(&mut der);
        der.into_bytes()
    }

    #[test]
    fn lengths_take_as_few_octets_as_they_can() {
        for (length, expected) in [
            (0, vec![0x00]),
            (127, vec![0x7F]),
            (128, vec![0x81, 0x80]),
            (255, vec![0x81, 0xFF]),
            (256, vec![0x82, 0x01, 0x00]),
            (65_536, vec![0x83, 0x01, 0x00, 0x00]),
        ] {
            let bytes = written(|der| der.octet_string(&vec![7; length]));
            assert_eq!(bytes[1..=expected.len()], expected, "length {length}");
            assert_eq!(bytes.len(), 1 + expected.len() + length);
        }
    }

    #[test]
    fn integers_are_minimal_and_never_negative() {
        assert_eq!(written(|der| der.unsigned(&[])), [2, 1, 0]);
        assert_eq!(written(|der| der.unsigned(&[0, 0])), [2, 1, 0]);
        assert_eq!(written(|der| der.unsigned(&[0, 0x7F])), [2, 1, 0x7F]);
        assert_eq!(written(|der| der.unsigned(&[0x80])), [2, 2, 0, 0x80]);
    }

    #[test]
    fn object_identifiers_are_those_that_openssl_writes() {
        for text in ["2.5.29.17", "1.2.840.113549.1.1.11", "1.3.6.1.4.1.11129.2.4.2", "2.999.127"] {
            let arcs: Vec<u32> = text.split('.').map(|arc| arc.parse().unwrap()).collect();
            let object = Asn1Object::from_str(text).unwrap();
            assert_eq!(written(|der| der.oid(&arcs))[2..], *object.as_slice(), "{text}");
        }
    }

    #[test]
    fn named_bits_drop_their_trailing_zeros() {
        assert_eq!(written(|der| der.named_bits(0x80)), [3, 2, 7, 0x80]);
        assert_eq!(written(|der| der.named_bits(0xA0)), [3, 2, 5, 0xA0]);
        assert_eq!(written(|der| der.named_bits(0x06)), [3, 2, 1, 0x06]);
    }

    #[test]
    fn times_change_form_in_2050() {
        let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let utc = written(|der| der.time(time("2049-12-31T23:59:59Z")));
        assert_eq!(utc, b"\x17\x0D491231235959Z");
        let generalized = written(|der| der.time(time("2050-01-01T00:00:00Z")));
        assert_eq!(generalized, b"\x18\x0F20500101000000Z");
    }
}
