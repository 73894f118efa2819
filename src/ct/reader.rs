//! Reads the presentation language of TLS (RFC 5246 section 4), which RFC 6962 uses for its structures.

/// The input ended inside `field`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} needs {needed} bytes at offset {offset}, {left} are left")]
pub struct Truncated {
    /// The member of the structure that was being read.
    pub field: &'static str,
    /// Offset of the member in the input, in bytes.
    pub offset: usize,
    /// Number of bytes that the member needs.
    pub needed: usize,
    /// Number of bytes that are left in the input.
    pub left: usize,
}

/// A cursor over untrusted bytes from a log. None of its methods can panic or allocate.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Creates a reader at the first byte of `input`.
    pub fn new(input: &'a [u8]) -> Self {
        Reader { rest: input, offset: 0 }
    }

    /// Number of bytes read so far.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// The remaining bytes.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `needed` bytes.
    pub fn bytes(&mut self, field: &'static str, needed: usize) -> Result<&'a [u8], Truncated> {
        let Some((head, rest)) = self.rest.split_at_checked(needed) else {
            return Err(Truncated { field, offset: self.offset, needed, left: self.rest.len() });
        };
        self.rest = rest;
        self.offset += needed;
        Ok(head)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Truncated> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(field, N)?);
        Ok(array)
    }

    /// The next big-endian number of `width` bytes (at most 8).
    pub fn uint(&mut self, field: &'static str, width: usize) -> Result<u64, Truncated> {
        Ok(self.bytes(field, width)?.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// A `<0..2^(8*width)-1>` vector: a length in `width` bytes, then that number of bytes.
    pub fn vector(&mut self, field: &'static str, width: usize) -> Result<&'a [u8], Truncated> {
        let start = self.clone();
        let result = self.uint(field, width).and_then(|n| self.bytes(field, n as usize));
        if result.is_err() {
            *self = start;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_vectors_and_reports_where_the_input_ends() {
        let mut r = Reader::new(&[0, 1, 2, 0, 0, 3, b'a', b'b', b'c', 0, 9, 1]);
        assert_eq!(r.uint("n", 2), Ok(1));
        assert_eq!(r.uint("n", 1), Ok(2));
        assert_eq!(r.vector("v", 3), Ok(&b"abc"[..]));
        let end = Truncated { field: "v", offset: 11, needed: 9, left: 1 };
        assert_eq!(r.vector("v", 2), Err(end));
        assert_eq!((r.offset(), r.rest()), (9, &[0, 9, 1][..]), "a failed vector is not consumed");
    }
}
