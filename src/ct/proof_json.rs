//! The body of a get-sth-consistency response (RFC 6962 section 4.4).

use super::merkle::Hash;
use base64_simd::STANDARD;
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::json;
use std::borrow::Cow;
use std::fmt;

/// Maximum number of hashes in a proof between trees of up to 2^63 leaves. Parsing stops at the limit.
pub const MAX_PROOF_HASHES: usize = 64;

/// The body is not a get-sth-consistency response.
#[derive(Debug, thiserror::Error)]
#[error("no get-sth-consistency answer: {0}")]
pub struct NotAProof(#[from] serde_json::Error);

#[derive(serde::Deserialize)]
struct ProofBody {
    consistency: Hashes,
}

struct Hashes(Vec<Hash>);

/// Parses the hashes of a proof, in order. Members other than `consistency` are allowed and ignored.
pub fn parse(body: &[u8]) -> Result<Vec<Hash>, NotAProof> {
    let ProofBody { consistency: Hashes(hashes) } = serde_json::from_slice(body)?;
    Ok(hashes)
}

/// Encodes the body of a get-sth-consistency response.
pub fn to_json(proof: &[Hash]) -> String {
    let hashes: Vec<String> = proof.iter().map(|hash| STANDARD.encode_to_string(hash)).collect();
    json!({ "consistency": hashes }).to_string()
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(HashesVisitor)
    }
}

struct HashesVisitor;

impl<'de> Visitor<'de> for HashesVisitor {
    type Value = Hashes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of at most {MAX_PROOF_HASHES} hashes in base64")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut texts: A) -> Result<Hashes, A::Error> {
        let mut hashes = Vec::new();
        while let Some(text) = texts.next_element::<Text<'de>>()? {
            if hashes.len() == MAX_PROOF_HASHES {
                return Err(Error::custom(format_args!("more than {MAX_PROOF_HASHES} hashes")));
            }
            let hash = decode(&text.0);
            hashes.push(hash.map_err(|wrong| Error::custom(format_args!("hash {} {wrong}", hashes.len())))?);
        }
        Ok(Hashes(hashes))
    }
}

/// The text is borrowed if nothing in it is escaped.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn decode(text: &str) -> Result<Hash, String> {
    let bytes = STANDARD.decode_to_vec(text).map_err(|_| "is not standard padded base64".to_owned())?;
    bytes.try_into().map_err(|bytes: Vec<u8>| format!("holds {} bytes, expected 32", bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(body: &str) -> String {
        parse(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_proof_survives_the_way_through_json() {
        for count in [0, 1, 7, MAX_PROOF_HASHES] {
            let proof: Vec<Hash> = (0..count).map(|i| [i as u8; 32]).collect();
            assert_eq!(parse(to_json(&proof).as_bytes()).unwrap(), proof);
        }
        assert_eq!(to_json(&[]), r#"{"consistency":[]}"#);
    }

    #[test]
    fn escapes_and_other_members_are_allowed() {
        let hash = STANDARD.encode_to_string([0xFF; 32]).replace('/', "\\/");
        let body = format!(r#"{{"success": true, "consistency": ["{hash}"], "more": [1]}}"#);
        assert_eq!(parse(body.as_bytes()).unwrap(), [[0xFF; 32]]);
    }

    #[test]
    fn a_proof_longer_than_any_is_refused() {
        let error = error_of(&to_json(&[[1; 32]; MAX_PROOF_HASHES + 1]));
        assert!(error.contains("more than 64 hashes"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_hash_is_said_and_which_one_it_is() {
        let whole = STANDARD.encode_to_string([1; 32]);
        for (text, wrong) in [
            ("", "hash 1 holds 0 bytes, expected 32"),
            ("AAAA", "hash 1 holds 3 bytes, expected 32"),
            ("A", "hash 1 is not standard padded base64"),
            (whole.trim_end_matches('='), "hash 1 is not standard padded base64"),
            ("_-_-", "hash 1 is not standard padded base64"),
        ] {
            let error = error_of(&format!(r#"{{"consistency":["{whole}","{text}"]}}"#));
            assert!(error.contains(wrong), "{text:?}: {error}");
        }
    }

    #[test]
    fn anything_else_is_no_proof() {
        for body in [
            "",
            "[]",
            "{}",
            "<html>",
            r#"{"consistency":null}"#,
            r#"{"consistency":"AAAA"}"#,
            r#"{"consistency":[7]}"#,
            r#"{"consistency":[["AAAA"]]}"#,
            r#"{"consistency":[]"#,
            r#"{"consistency":[]}x"#,
            r#"{"consistency":[],"consistency":[]}"#,
        ] {
            assert!(error_of(body).starts_with("no get-sth-consistency answer: "), "{body}");
        }
    }
}
