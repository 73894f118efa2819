//! The DER reader. It reads identifiers, lengths and contents, and knows the offset of each in the
//! certificate.
//!
//! Logs contain certificates exactly as a CA encoded them. The reader therefore accepts two features of BER
//! that OpenSSL tolerates: lengths that are longer than needed or indefinite (X.690 section 8.1.3), and
//! strings in segments (X.690 section 8.7.3). Everything else is an error that carries the offset where it
//! was detected.

use std::borrow::Cow;

/// Maximum nesting of indefinite lengths and segmented strings. X.509 never needs more.
const MAX_NESTING: u8 = 16;

/// A decoding error, with its byte offset in the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    pub what: &'static str,
    pub at: usize,
}

pub(super) type Result<T> = std::result::Result<T, Malformed>;

/// Identifier octets (X.690 section 8.1.2) of the types that certificates use.
pub(super) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0A;
    pub(crate) const UTF8_STRING: u8 = 0x0C;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const TELETEX_STRING: u8 = 0x14;
    pub(crate) const VIDEOTEX_STRING: u8 = 0x15;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const GRAPHIC_STRING: u8 = 0x19;
    pub(crate) const VISIBLE_STRING: u8 = 0x1A;
    pub(crate) const GENERAL_STRING: u8 = 0x1B;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1C;
    pub(crate) const BMP_STRING: u8 = 0x1E;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    pub(crate) const CONSTRUCTED: u8 = 0x20;

    /// Identifier of `[n]` for a primitive type, tagged IMPLICIT.
    pub(crate) const fn context(n: u8) -> u8 {
        0x80 | n
    }

    /// Identifier of `[n]` for an EXPLICIT tag or a constructed type.
    pub(crate) const fn constructed(n: u8) -> u8 {
        0xA0 | n
    }
}

/// One TLV (tag, length, value).
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    /// The identifier octet. It is `xxx11111` for every tag number above 30, which X.509 never uses.
    pub tag: u8,
    pub content: &'a [u8],
    /// Offset of the identifier octet.
    pub at: usize,
    /// Offset of the content.
    pub content_at: usize,
}

impl<'a> Element<'a> {
    #[inline]
    pub(super) fn reader(&self) -> Reader<'a> {
        Reader::new(self.content, self.content_at)
    }

    pub(super) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    /// The bytes of a string: the content, or the joined segments of a constructed string.
    #[inline]
    pub(super) fn octets(&self) -> Result<Cow<'a, [u8]>> {
        if self.tag & tag::CONSTRUCTED == 0 {
            return Ok(Cow::Borrowed(self.content));
        }
        let mut joined = Vec::new();
        join_segments(self.reader(), MAX_NESTING, &mut joined)?;
        Ok(Cow::Owned(joined))
    }

    /// Reads the content of an EXPLICIT tag, which must be exactly one element (X.690 section 8.14.2).
    pub(super) fn explicit(&self) -> Result<Reader<'a>> {
        let mut rest = self.reader();
        rest.element()?;
        rest.finish()?;
        Ok(self.reader())
    }

    /// The object identifier in this element. Checks that it is complete and its arcs are minimal (X.690
    /// section 8.19.2).
    pub(super) fn oid(&self) -> Result<&'a [u8]> {
        if is_oid(self.content) { Ok(self.content) } else { Err(self.malformed("broken OBJECT IDENTIFIER")) }
    }

    /// The bits of a BIT STRING and their number (X.690 section 8.6).
    pub(super) fn bits(&self) -> Result<Bits<'a>> {
        match self.content.split_first() {
            Some((&unused @ 0..=7, bytes)) if unused == 0 || !bytes.is_empty() => Ok(Bits { bytes, unused }),
            _ => Err(self.malformed("broken BIT STRING")),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool> {
        match self.content {
            [value] => Ok(*value != 0),
            _ => Err(self.malformed("broken BOOLEAN")),
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Bits<'a> {
    pub bytes: &'a [u8],
    pub unused: u8,
}

impl<'a> Bits<'a> {
    /// The bytes with the unused bits set to zero, as DER requires (X.690 section 11.2.1) and as OpenSSL
    /// stores them.
    pub(super) fn named(&self) -> Cow<'a, [u8]> {
        let mask = 0xFFu8 << self.unused;
        match self.bytes.split_last() {
            Some((last, before)) if last & !mask != 0 => Cow::Owned([before, &[last & mask]].concat()),
            _ => Cow::Borrowed(self.bytes),
        }
    }

    pub(super) fn is_set(&self, bit: usize) -> bool {
        let Some(&byte) = self.bytes.get(bit / 8) else { return false };
        let unused = if bit / 8 + 1 == self.bytes.len() { self.unused } else { 0 };
        let mask = 0x80u8 >> (bit % 8);
        byte & (0xFFu8 << unused) & mask != 0
    }
}

/// Reads consecutive elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Reader { rest: bytes, at }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The remaining bytes.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    #[inline]
    pub(super) fn next_is(&self, tag: u8) -> bool {
        self.rest.first() == Some(&tag)
    }

    #[inline]
    pub(super) fn element(&mut self) -> Result<Element<'a>> {
        // Fast path for nearly every element: a low tag number and one of the two shortest forms of a length.
        let (tag, length, body) = match *self.rest {
            [tag, length @ 0..=0x7F, ref body @ ..] => (tag, usize::from(length), body),
            [tag, 0x81, length, ref body @ ..] => (tag, usize::from(length), body),
            _ => return self.long_element(),
        };
        let Some((content, rest)) = body.split_at_checked(length).filter(|_| tag & 0x1F != 0x1F) else {
            return self.long_element();
        };
        let at = self.at;
        let content_at = at + (self.rest.len() - body.len());
        *self = Reader { rest, at: content_at + length };
        Ok(Element { tag, content, at, content_at })
    }

    fn long_element(&mut self) -> Result<Element<'a>> {
        let header = Header::read(self.rest).map_err(|what| self.malformed(what))?;
        let (length, end_octets) = match header.content_length {
            Some(length) => (length, 0),
            None => {
                let body = self.rest.get(header.length..).unwrap_or_default();
                (contents_length(body, MAX_NESTING).map_err(|what| self.malformed(what))?, 2)
            }
        };
        self.take(header, length, end_octets).ok_or_else(|| self.malformed("reaches beyond what holds it"))
    }

    /// Like `element`, but truncates an element that extends past the end. The flag is true if it was
    /// truncated.
    pub(super) fn element_or_cut(&mut self) -> Result<(Element<'a>, bool)> {
        let fault = match self.element() {
            Ok(element) => return Ok((element, false)),
            Err(fault) => fault,
        };
        let header = Header::read(self.rest).map_err(|_| fault)?;
        let length = self.rest.len().saturating_sub(header.length);
        self.take(header, length, 0).map(|cut| (cut, true)).ok_or(fault)
    }

    fn take(&mut self, header: Header, length: usize, end_octets: usize) -> Option<Element<'a>> {
        let (content, rest) = self.rest.get(header.length..)?.split_at_checked(length)?;
        let rest = rest.get(end_octets..)?;
        let at = self.at;
        let content_at = at + header.length;
        *self = Reader { rest, at: content_at + length + end_octets };
        Some(Element { tag: header.tag, content, at, content_at })
    }

    #[inline]
    pub(super) fn expect(&mut self, tag: u8) -> Result<Element<'a>> {
        if self.rest.first() != Some(&tag) {
            return Err(self.malformed(missing(tag)));
        }
        self.element()
    }

    #[inline]
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>> {
        if self.next_is(tag) { self.element().map(Some) } else { Ok(None) }
    }

    /// Reads a string type, either primitive or in segments.
    pub(super) fn string(&mut self, tag: u8) -> Result<Cow<'a, [u8]>> {
        match self.rest.first() {
            Some(found) if found & !tag::CONSTRUCTED == tag => self.element()?.octets(),
            _ => Err(self.malformed(missing(tag))),
        }
    }

    pub(super) fn oid(&mut self) -> Result<&'a [u8]> {
        self.expect(tag::OID)?.oid()
    }

    #[inline]
    pub(super) fn sequence(&mut self) -> Result<Reader<'a>> {
        Ok(self.expect(tag::SEQUENCE)?.reader())
    }

    /// Fails if any bytes remain.
    pub(super) fn finish(&self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { Err(self.malformed("more than belongs here")) }
    }
}

#[derive(Clone, Copy)]
struct Header {
    tag: u8,
    length: usize,
    /// `None` for an indefinite length.
    content_length: Option<usize>,
}

impl Header {
    fn read(bytes: &[u8]) -> std::result::Result<Header, &'static str> {
        let (&tag, mut rest) = bytes.split_first().ok_or("ends where an element should begin")?;
        if tag & 0x1F == 0x1F {
            let end = rest.iter().position(|byte| byte & 0x80 == 0).ok_or("endless tag number")?;
            rest = rest.get(end + 1..).unwrap_or_default();
        }
        let (&first, mut rest) = rest.split_first().ok_or("ends before a length")?;
        let content_length = match first {
            0..=0x7F => Some(usize::from(first)),
            0x80 if tag & tag::CONSTRUCTED != 0 => None,
            0x80 => return Err("indefinite length of a primitive type"),
            _ => {
                let (digits, after) =
                    rest.split_at_checked(usize::from(first & 0x7F)).ok_or("ends inside a length")?;
                rest = after;
                Some(big_endian(digits).ok_or("impossible length")?)
            }
        };
        Ok(Header { tag, length: bytes.len() - rest.len(), content_length })
    }
}

fn big_endian(digits: &[u8]) -> Option<usize> {
    let significant = digits.iter().skip_while(|digit| **digit == 0);
    significant.enumerate().try_fold(0usize, |value, (place, digit)| {
        if place < 7 { Some(value << 8 | usize::from(*digit)) } else { None }
    })
}

/// Length of the contents before the end-of-contents octets (X.690 section 8.1.5).
fn contents_length(bytes: &[u8], nesting: u8) -> std::result::Result<usize, &'static str> {
    let nesting = nesting.checked_sub(1).ok_or("nested too deep")?;
    let mut rest = bytes;
    loop {
        if let [0, 0, ..] = rest {
            return Ok(bytes.len() - rest.len());
        }
        let header = Header::read(rest)?;
        let body = rest.get(header.length..).unwrap_or_default();
        let length = match header.content_length {
            Some(length) => length,
            None => contents_length(body, nesting)?.saturating_add(2),
        };
        rest = body.get(length..).ok_or("indefinite length without an end")?;
    }
}

fn join_segments(mut segments: Reader<'_>, nesting: u8, joined: &mut Vec<u8>) -> Result<()> {
    let nesting = nesting.checked_sub(1).ok_or_else(|| segments.malformed("nested too deep"))?;
    while !segments.is_empty() {
        let segment = segments.element()?;
        if segment.tag & tag::CONSTRUCTED == 0 {
            joined.extend_from_slice(segment.content);
        } else {
            join_segments(segment.reader(), nesting, joined)?;
        }
    }
    Ok(())
}

fn is_oid(content: &[u8]) -> bool {
    let mut arc_begins = true;
    for byte in content {
        if arc_begins && *byte == 0x80 {
            return false;
        }
        arc_begins = byte & 0x80 == 0;
    }
    arc_begins && !content.is_empty()
}

/// Compares two identifiers. Identifiers mostly differ in their last byte, so that byte is compared first.
#[inline]
pub(super) fn is_same_oid(one: &[u8], other: &[u8]) -> bool {
    one.last() == other.last() && one == other
}

fn missing(tag: u8) -> &'static str {
    match tag {
        tag::BOOLEAN => "no BOOLEAN where one belongs",
        tag::INTEGER => "no INTEGER where one belongs",
        tag::BIT_STRING => "no BIT STRING where one belongs",
        tag::OCTET_STRING => "no OCTET STRING where one belongs",
        tag::NULL => "no NULL where one belongs",
        tag::OID => "no OBJECT IDENTIFIER where one belongs",
        tag::SEQUENCE => "no SEQUENCE where one belongs",
        tag::SET => "no SET where one belongs",
        tag::IA5_STRING => "no IA5String where one belongs",
        _ => "another type than belongs here",
    }
}
