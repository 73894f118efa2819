//! The detached signature of Chrome's log lists.

use hex_simd::AsciiCase;
use openssl::hash::MessageDigest;
use openssl::pkey::{Id, PKey};
use openssl::sha::sha256;
use openssl::sign::Verifier;

/// Chrome's published key for log lists, RSA of 4096 bits: `log_list_pubkey.pem` next to the lists.
pub const CHROME_KEY_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAsu0BHGnQ++W2CTdyZyxv
HHRALOZPlnu/VMVgo2m+JZ8MNbAOH2cgXb8mvOj8flsX/qPMuKIaauO+PwROMjiq
fUpcFm80Kl7i97ZQyBDYKm3MkEYYpGN+skAR2OebX9G2DfDqFY8+jUpOOWtBNr3L
rmVcwx+FcFdMjGDlrZ5JRmoJ/SeGKiORkbbu9eY1Wd0uVhz/xI5bQb0OgII7hEj+
i/IPbJqOHgB8xQ5zWAJJ0DmG+FM6o7gk403v6W3S8qRYiR84c50KppGwe4YqSMkF
bLDleGQWLoaDSpEWtESisb4JiLaY4H+Kk0EyAhPSb+49JfUozYl+lf7iFN3qRq/S
IXXTh6z0S7Qa8EYDhKGCrpI03/+qprwy+my6fpWHi6aUIk4holUCmWvFxZDfixox
K0RlqbFDl2JXMBquwlQpm8u5wrsic1ksIv9z8x9zh4PJqNpCah0ciemI3YGRQqSe
/mRRXBiSn9YQBUPcaeqCYan+snGADFwHuXCd9xIAdFBolw9R9HTedHGUfVXPJDiF
4VusfX6BRR/qaadB+bqEArF/TzuDUr6FvOR4o8lUUxgLuZ/7HO+bHnaPFKYHHSm+
+z1lVDhhYuSZ8ax3T0C3FZpb7HMjZtpEorSV5ElKJEJwrhrBCMOD8L01EoSPrGlS
1w22i9uGHMn/uGQKo28u7AsCAwEAAQ==
-----END PUBLIC KEY-----
";

/// Maximum number of bytes that are read as a signature. A signature has the length of its RSA key, 512
/// bytes; the rest allows an error message with the actual length.
pub const MAX_SIGNATURE_BYTES: usize = 16 * 1024;

/// Why a list's signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the key that lists are checked with is no RSA public key in PEM")]
    Key,
    #[error("the signature has {found} bytes, where the key makes {expected}")]
    Length { found: usize, expected: usize },
    #[error("the signature does not match the list of {length} bytes with SHA-256 {sha256}")]
    Mismatch { length: usize, sha256: String },
}

/// Verifies that `signature` is a signature by the key `public_key_pem` over exactly the bytes of `json`:
/// RSA, PKCS #1 v1.5, SHA-256.
///
/// # Errors
/// If the signature is not valid; see [`SignatureError`].
pub fn verify_signature(json: &[u8], signature: &[u8], public_key_pem: &str) -> Result<(), SignatureError> {
    let key = PKey::public_key_from_pem(public_key_pem.as_bytes()).map_err(|_| SignatureError::Key)?;
    if key.id() != Id::RSA {
        return Err(SignatureError::Key);
    }
    if signature.len() != key.size() {
        return Err(SignatureError::Length { found: signature.len(), expected: key.size() });
    }
    let matches = Verifier::new(MessageDigest::sha256(), &key)
        .and_then(|mut verifier| verifier.verify_oneshot(signature, json));
    match matches {
        Ok(true) => Ok(()),
        // OpenSSL returns Err for a number that cannot be a signature of this key.
        Ok(false) | Err(_) => {
            let digits = hex_simd::encode_to_string(sha256(json), AsciiCase::Lower);
            Err(SignatureError::Mismatch { length: json.len(), sha256: digits })
        }
    }
}
