//! Key pairs of the demo's authorities and sites. They are generated at start and not stored.

use super::der::Der;
use openssl::ec::{EcGroup, EcKey, PointConversionForm};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::rsa::Rsa;
use openssl::sha::sha1;
use openssl::sign::Signer;
use parking_lot::Mutex;
use std::panic::resume_unwind;
use std::thread;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    EcdsaP256,
    Rsa2048,
}

#[derive(Clone)]
pub(super) struct KeyPair {
    private: PKey<Private>,
    /// DER SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// SHA-1 of the public key's bits: method 1 of RFC 5280 section 4.2.1.2.
    pub key_id: [u8; 20],
    pub algorithm: Algorithm,
}

impl KeyPair {
    pub(super) fn ecdsa() -> Result<Self, ErrorStack> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = EcKey::generate(&group)?;
        let form = PointConversionForm::UNCOMPRESSED;
        let mut context = openssl::bn::BigNumContext::new()?;
        let public_bits = key.public_key().to_bytes(&group, form, &mut context)?;
        Self::new(PKey::from_ec_key(key)?, &public_bits, Algorithm::EcdsaP256)
    }

    pub(super) fn rsa() -> Result<Self, ErrorStack> {
        let key = Rsa::generate(2048)?;
        let public_bits = key.public_key_to_der_pkcs1()?;
        Self::new(PKey::from_rsa(key)?, &public_bits, Algorithm::Rsa2048)
    }

    /// Generates `count` RSA keys, which all logs of the process share.
    ///
    /// Searching for the primes takes nearly all of the first log's start time. The keys are therefore
    /// generated in parallel and only once, because tests start many logs.
    pub(super) fn rsa_pool(count: usize) -> Result<Vec<Self>, ErrorStack> {
        static POOL: Mutex<Vec<KeyPair>> = Mutex::new(Vec::new());
        let mut pool = POOL.lock();
        let missing = count.saturating_sub(pool.len());
        let searches: Vec<_> = (0..missing).map(|_| thread::spawn(Self::rsa)).collect();
        for search in searches {
            pool.push(search.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        Ok(pool.iter().take(count).cloned().collect())
    }

    fn new(private: PKey<Private>, public_bits: &[u8], algorithm: Algorithm) -> Result<Self, ErrorStack> {
        let spki = private.public_key_to_der()?;
        Ok(Self { private, spki, key_id: sha1(public_bits), algorithm })
    }

    pub(super) fn private(&self) -> &PKeyRef<Private> {
        &self.private
    }

    /// Signs with SHA-256, in the format of a certificate's signature.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        Signer::new(MessageDigest::sha256(), &self.private)?.sign_oneshot_to_vec(message)
    }

    /// Writes the AlgorithmIdentifier of signatures by this key.
    pub(super) fn write_signature_algorithm(&self, der: &mut Der) {
        der.sequence(|der| match self.algorithm {
            // RFC 5758 section 3.2: ecdsa-with-SHA256 has no parameters.
            Algorithm::EcdsaP256 => der.oid(&[1, 2, 840, 10045, 4, 3, 2]),
            // RFC 4055 section 5: sha256WithRSAEncryption has NULL parameters.
            Algorithm::Rsa2048 => {
                der.oid(&[1, 2, 840, 113549, 1, 1, 11]);
                der.null();
            }
        });
    }
}
