//! The signed tree head of RFC 6962: its JSON form (section 4.3), the bytes that its signature covers
//! (section 3.5), and the verification of the signature.
//!
//! Fetching a head, and comparing its root with a local tree, is done in other modules.

use super::json_kind::kind_of;
use super::merkle::Hash;
use base64_simd::STANDARD;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{HasPrivate, HasPublic, Id, PKeyRef};
use openssl::sign::{Signer, Verifier};
use serde_json::{Map, Value, json};

/// A log's commitment to `tree_size` entries with root `root_hash` at `timestamp_ms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTreeHead {
    /// Number of entries in the tree.
    pub tree_size: u64,
    /// When the head was signed, in milliseconds since 1970 UTC.
    pub timestamp_ms: u64,
    /// Merkle Tree Hash of the entries.
    pub root_hash: Hash,
    /// The DigitallySigned struct of RFC 5246 section 4.7 over [`signature_input`], as the log sent it.
    pub tree_head_signature: Vec<u8>,
}

/// Why a signed tree head cannot be parsed, signed or verified.
#[derive(Debug, thiserror::Error)]
pub enum SthError {
    #[error("the tree head is not JSON: {0}")]
    NotJson(#[source] serde_json::Error),
    #[error("the tree head is {found}, not a JSON object")]
    NotAnObject { found: &'static str },
    #[error("the tree head has no field {field:?}")]
    MissingField { field: &'static str },
    #[error("the tree head's {field:?} is {found}, expected {expected}")]
    WrongType { field: &'static str, expected: &'static str, found: String },
    #[error("the tree head's {field:?} is not standard padded base64")]
    NotBase64 { field: &'static str },
    #[error("the tree head's \"sha256_root_hash\" holds {length} bytes, expected 32")]
    RootLength { length: usize },
    #[error("the signature struct of {length} bytes is malformed: {reason}")]
    MalformedSignature { length: usize, reason: &'static str },
    #[error(
        "the signature's hash and signature algorithms are {hash} and {signature}, but the log's key calls for {expected_hash} and {expected_signature}"
    )]
    WrongAlgorithm { hash: u8, signature: u8, expected_hash: u8, expected_signature: u8 },
    #[error("the log's key is {found}, expected ECDSA P-256, or RSA of at least 2048 bits")]
    UnsupportedKey { found: String },
    #[error(
        "the signature does not match the tree head (tree size {tree_size}, timestamp {timestamp_ms} ms)"
    )]
    SignatureMismatch { tree_size: u64, timestamp_ms: u64 },
    #[error("OpenSSL failed to sign or verify: {0}")]
    OpenSsl(#[from] ErrorStack),
}

const TREE_SIZE: &str = "tree_size";
const TIMESTAMP: &str = "timestamp";
const ROOT_HASH: &str = "sha256_root_hash";
const SIGNATURE: &str = "tree_head_signature";

/// HashAlgorithm and SignatureAlgorithm of RFC 5246 section 7.4.1.4.1.
const HASH_SHA256: u8 = 4;
const SIGNATURE_RSA: u8 = 1;
const SIGNATURE_ECDSA: u8 = 3;

impl SignedTreeHead {
    /// Parses the body of a get-sth response. Does not verify the signature; see [`verify`](Self::verify).
    ///
    /// Members other than the four of RFC 6962 section 4.3 are allowed and ignored.
    pub fn from_json(body: &[u8]) -> Result<Self, SthError> {
        let object = match serde_json::from_slice(body).map_err(SthError::NotJson)? {
            Value::Object(object) => object,
            other => return Err(SthError::NotAnObject { found: kind_of(&other) }),
        };
        let root = base64_field(&object, ROOT_HASH)?;
        Ok(Self {
            tree_size: integer_field(&object, TREE_SIZE)?,
            timestamp_ms: integer_field(&object, TIMESTAMP)?,
            root_hash: root
                .try_into()
                .map_err(|root: Vec<u8>| SthError::RootLength { length: root.len() })?,
            tree_head_signature: base64_field(&object, SIGNATURE)?,
        })
    }

    /// Encodes the body of a get-sth response.
    pub fn to_json(&self) -> String {
        json!({
            TREE_SIZE: self.tree_size,
            TIMESTAMP: self.timestamp_ms,
            ROOT_HASH: STANDARD.encode_to_string(self.root_hash),
            SIGNATURE: STANDARD.encode_to_string(&self.tree_head_signature),
        })
        .to_string()
    }

    /// Creates a head and signs it with the log's private key.
    pub fn sign<T: HasPrivate>(
        timestamp_ms: u64,
        tree_size: u64,
        root_hash: Hash,
        key: &PKeyRef<T>,
    ) -> Result<Self, SthError> {
        let input = signature_input(timestamp_ms, tree_size, &root_hash);
        Ok(Self { tree_size, timestamp_ms, root_hash, tree_head_signature: sign_digitally(&input, key)? })
    }

    /// Verifies the signature with the log's public key.
    pub fn verify<T: HasPublic>(&self, key: &PKeyRef<T>) -> Result<(), SthError> {
        let expected_signature = signature_algorithm(key)?;
        let signed = DigitallySigned::parse(&self.tree_head_signature)?;
        if (signed.hash, signed.algorithm) != (HASH_SHA256, expected_signature) {
            return Err(SthError::WrongAlgorithm {
                hash: signed.hash,
                signature: signed.algorithm,
                expected_hash: HASH_SHA256,
                expected_signature,
            });
        }
        let input = signature_input(self.timestamp_ms, self.tree_size, &self.root_hash);
        let mut verifier = Verifier::new(MessageDigest::sha256(), key)?;
        // OpenSSL returns Err for bytes that are not a signature at all (not DER for ECDSA, or the wrong
        // length for RSA). This is treated like any other mismatch.
        match verifier.verify_oneshot(signed.bytes, &input) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(SthError::SignatureMismatch {
                tree_size: self.tree_size,
                timestamp_ms: self.timestamp_ms,
            }),
        }
    }
}

/// The bytes that a tree head's signature covers: the TreeHeadSignature struct of RFC 6962 section 3.5.
pub fn signature_input(timestamp_ms: u64, tree_size: u64, root_hash: &Hash) -> [u8; 50] {
    let mut input = [0; 50];
    input[0] = 0; // version = v1
    input[1] = 1; // signature_type = tree_hash
    input[2..10].copy_from_slice(&timestamp_ms.to_be_bytes());
    input[10..18].copy_from_slice(&tree_size.to_be_bytes());
    input[18..50].copy_from_slice(root_hash); // sha256_root_hash
    input
}

/// Signs `input` and wraps the signature in a DigitallySigned struct (RFC 5246 section 4.7), as CT does for
/// tree heads and for SCTs. The key determines the algorithm: ECDSA P-256 or RSA (PKCS #1 v1.5), both with
/// SHA-256.
pub fn sign_digitally<T: HasPrivate>(input: &[u8], key: &PKeyRef<T>) -> Result<Vec<u8>, SthError> {
    let algorithm = match key.id() {
        Id::EC => SIGNATURE_ECDSA,
        Id::RSA => SIGNATURE_RSA,
        _ => return Err(SthError::UnsupportedKey { found: describe_key(key) }),
    };
    let signature = Signer::new(MessageDigest::sha256(), key)?.sign_oneshot_to_vec(input)?;
    let length = u16::try_from(signature.len()).map_err(|_| SthError::MalformedSignature {
        length: signature.len(),
        reason: "longer than its length field can say",
    })?;
    let mut signed = vec![HASH_SHA256, algorithm];
    signed.extend(length.to_be_bytes());
    signed.extend(signature);
    Ok(signed)
}

/// `struct { SignatureAndHashAlgorithm algorithm; opaque signature<0..2^16-1>; } DigitallySigned`
struct DigitallySigned<'a> {
    hash: u8,
    algorithm: u8,
    bytes: &'a [u8],
}

impl<'a> DigitallySigned<'a> {
    fn parse(encoded: &'a [u8]) -> Result<Self, SthError> {
        let malformed = |reason| SthError::MalformedSignature { length: encoded.len(), reason };
        let [hash, algorithm, high, low, bytes @ ..] = encoded else {
            return Err(malformed("shorter than its 4 bytes of algorithms and length"));
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if bytes.len() < length {
            return Err(malformed("the signature is cut off"));
        }
        if bytes.len() > length {
            return Err(malformed("bytes follow the signature"));
        }
        Ok(Self { hash: *hash, algorithm: *algorithm, bytes })
    }
}

/// The SignatureAlgorithm of this key's signatures, if RFC 6962 section 2.1.4 allows a log to have such a
/// key.
fn signature_algorithm<T: HasPublic>(key: &PKeyRef<T>) -> Result<u8, SthError> {
    match key.id() {
        Id::EC if key.ec_key()?.group().curve_name() == Some(Nid::X9_62_PRIME256V1) => Ok(SIGNATURE_ECDSA),
        Id::RSA if key.bits() >= 2048 => Ok(SIGNATURE_RSA),
        _ => Err(SthError::UnsupportedKey { found: describe_key(key) }),
    }
}

fn describe_key<T>(key: &PKeyRef<T>) -> String {
    match key.id() {
        Id::EC => "an elliptic curve key other than P-256".into(),
        Id::RSA => "an RSA key of fewer than 2048 bits".into(),
        id => format!("of OpenSSL's key type {}", id.as_raw()),
    }
}

fn field<'a>(object: &'a Map<String, Value>, field: &'static str) -> Result<&'a Value, SthError> {
    object.get(field).ok_or(SthError::MissingField { field })
}

fn integer_field(object: &Map<String, Value>, name: &'static str) -> Result<u64, SthError> {
    let value = field(object, name)?;
    value.as_u64().ok_or_else(|| SthError::WrongType {
        field: name,
        expected: "an integer from 0 to 2^64-1",
        // A number is short, so it is shown. Other values can have any length, so only their type is shown.
        found: if value.is_number() { value.to_string() } else { kind_of(value).into() },
    })
}

fn base64_field(object: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, SthError> {
    let value = field(object, name)?;
    let text = value.as_str().ok_or_else(|| SthError::WrongType {
        field: name,
        expected: "a string of base64",
        found: kind_of(value).into(),
    })?;
    STANDARD.decode_to_vec(text).map_err(|_| SthError::NotBase64 { field: name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ct::merkle::leaf_hash;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;

    fn ec_key(curve: Nid) -> PKey<Private> {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    fn p256() -> PKey<Private> {
        ec_key(Nid::X9_62_PRIME256V1)
    }

    fn signed_by(key: &PKey<Private>) -> SignedTreeHead {
        SignedTreeHead::sign(1_700_000_000_123, 42, leaf_hash(b"leaf"), key).unwrap()
    }

    fn error_of(json: &str) -> String {
        SignedTreeHead::from_json(json.as_bytes()).unwrap_err().to_string()
    }

    /// The JSON of a valid head with one field replaced.
    fn json_with(field: &str, value: Value) -> String {
        let mut head: Value = serde_json::from_str(&signed_by(&p256()).to_json()).unwrap();
        head[field] = value;
        head.to_string()
    }

    #[test]
    fn the_signature_covers_the_tree_head_signature_struct_of_the_rfc() {
        let input = signature_input(0x0102_0304_0506_0708, 0x1112_1314_1516_1718, &[0xAB; 32]);
        let mut expected = vec![0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];
        expected.extend([0xAB; 32]);
        assert_eq!(input.as_slice(), expected);
    }

    #[test]
    fn a_head_survives_the_way_through_json() {
        let head = signed_by(&p256());
        assert_eq!(SignedTreeHead::from_json(head.to_json().as_bytes()).unwrap(), head);
        let largest = SignedTreeHead { tree_size: u64::MAX, timestamp_ms: u64::MAX, ..head };
        assert_eq!(SignedTreeHead::from_json(largest.to_json().as_bytes()).unwrap(), largest);
    }

    #[test]
    fn unknown_fields_are_allowed() {
        let json = json_with("origin", json!({"nested": [1, 2]}));
        assert!(SignedTreeHead::from_json(json.as_bytes()).is_ok());
    }

    #[test]
    fn a_missing_field_is_named() {
        for field in [TREE_SIZE, TIMESTAMP, ROOT_HASH, SIGNATURE] {
            let mut head: Value = serde_json::from_str(&signed_by(&p256()).to_json()).unwrap();
            head.as_object_mut().unwrap().remove(field);
            assert_eq!(error_of(&head.to_string()), format!("the tree head has no field {field:?}"));
        }
    }

    #[test]
    fn a_field_of_the_wrong_type_is_named_with_what_it_is() {
        let kinds = [(json!("42"), "a string"), (json!(null), "null"), (json!([42]), "an array")];
        let numbers = [(json!(-1), "-1"), (json!(1.5), "1.5")];
        for (value, shown) in kinds.into_iter().chain(numbers) {
            let error = error_of(&json_with(TREE_SIZE, value));
            let expected = format!("\"tree_size\" is {shown}, expected an integer");
            assert!(error.contains(&expected), "{error}");
        }
        assert!(error_of(&json_with(ROOT_HASH, json!(7))).contains("\"sha256_root_hash\" is a number"));
    }

    #[test]
    fn a_number_beyond_64_bits_is_an_error() {
        let json = signed_by(&p256()).to_json().replace(":42", ":18446744073709551616");
        assert!(error_of(&json).contains("\"tree_size\""));
    }

    #[test]
    fn bad_base64_and_a_root_of_the_wrong_length_are_errors() {
        for bad in ["A", "AA", "A===", "AA=A", "!!!!", "AAAA\n", "_-_-"] {
            let error = error_of(&json_with(ROOT_HASH, json!(bad)));
            assert_eq!(
                error, "the tree head's \"sha256_root_hash\" is not standard padded base64",
                "{bad:?}"
            );
        }
        let short = STANDARD.encode_to_string([0; 31]);
        assert!(error_of(&json_with(ROOT_HASH, json!(short))).contains("31 bytes"));
        assert!(error_of(&json_with(ROOT_HASH, json!(""))).contains("0 bytes"));
    }

    #[test]
    fn what_is_no_json_object_is_an_error() {
        for body in ["", "{", "<html>", "{\"tree_size\":1}x"] {
            assert!(error_of(body).starts_with("the tree head is not JSON"), "{body:?}");
        }
        assert_eq!(error_of("[]"), "the tree head is an array, not a JSON object");
    }

    #[test]
    fn signatures_of_p256_and_rsa_logs_verify() {
        for key in [p256(), PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()] {
            let public = PKey::public_key_from_der(&key.public_key_to_der().unwrap()).unwrap();
            signed_by(&key).verify(&public).unwrap();
        }
    }

    #[test]
    fn a_head_altered_in_any_part_does_not_verify() {
        let key = p256();
        let head = signed_by(&key);
        let mismatch = |head: &SignedTreeHead| {
            let error = head.verify(&key).unwrap_err();
            assert!(matches!(error, SthError::SignatureMismatch { .. }), "{error}");
        };
        mismatch(&SignedTreeHead { tree_size: 43, ..head.clone() });
        mismatch(&SignedTreeHead { timestamp_ms: 0, ..head.clone() });
        mismatch(&SignedTreeHead { root_hash: [0; 32], ..head.clone() });
        for position in 4..head.tree_head_signature.len() {
            let mut altered = head.clone();
            altered.tree_head_signature[position] ^= 1;
            mismatch(&altered);
        }
        assert!(matches!(head.verify(&p256()), Err(SthError::SignatureMismatch { .. })), "another log's key");
    }

    #[test]
    fn a_malformed_signature_struct_is_told_apart_from_a_mismatch() {
        let key = p256();
        let head = signed_by(&key);
        let mut cut = head.clone();
        cut.tree_head_signature.pop();
        let mut padded = head.clone();
        padded.tree_head_signature.push(0);
        let empty = SignedTreeHead { tree_head_signature: vec![4, 3, 0], ..head.clone() };
        for malformed in [cut, padded, empty] {
            assert!(matches!(malformed.verify(&key), Err(SthError::MalformedSignature { .. })));
        }
        let mut sha1 = head;
        sha1.tree_head_signature[0] = 2;
        assert!(matches!(sha1.verify(&key), Err(SthError::WrongAlgorithm { hash: 2, signature: 3, .. })));
    }

    #[test]
    fn keys_that_a_log_may_not_have_are_refused() {
        let head = signed_by(&p256());
        let small_rsa = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap();
        for key in [small_rsa, ec_key(Nid::SECP384R1), PKey::generate_ed25519().unwrap()] {
            assert!(matches!(head.verify(&key), Err(SthError::UnsupportedKey { .. })));
        }
    }
}
