//! Tests of the signature of Chrome's list.

use super::real_list;
use crate::ct::log_list::{CHROME_KEY_PEM, SignatureError, verify_signature};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::Signer;

#[test]
fn chromes_real_list_verifies() {
    let Some((json, signature)) = real_list() else { return };
    assert_eq!(verify_signature(&json, &signature, CHROME_KEY_PEM), Ok(()));
}

#[test]
fn one_changed_byte_in_chromes_real_list_is_refused_and_the_list_named() {
    let Some((json, signature)) = real_list() else { return };
    for place in (0..json.len()).step_by(199) {
        let mut changed = json.clone();
        changed[place] ^= 1;
        let error = verify_signature(&changed, &signature, CHROME_KEY_PEM).unwrap_err();
        assert!(matches!(&error, SignatureError::Mismatch { length, .. } if *length == json.len()));
    }
    let mut changed = json.clone();
    changed[17] = b'6'; // version 85.92 becomes 86.92
    assert_eq!(
        verify_signature(&changed, &signature, CHROME_KEY_PEM).unwrap_err().to_string(),
        "the signature does not match the list of 39956 bytes with SHA-256 \
         68f3b616eef3870eae0dd846290a46a2fbc4cecf807a322145fa6cfcc012a401"
    );
    assert!(verify_signature(&json[..json.len() - 1], &signature, CHROME_KEY_PEM).is_err());
    let mut changed = signature.clone();
    changed[511] ^= 1;
    assert!(verify_signature(&json, &changed, CHROME_KEY_PEM).is_err());
    assert!(verify_signature(&json, &[0xFF; 512], CHROME_KEY_PEM).is_err());
}

#[test]
fn signatures_by_a_key_are_only_good_for_that_key_and_what_it_signed() {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let pem = String::from_utf8(key.public_key_to_pem().unwrap()).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    let signature = signer.sign_oneshot_to_vec(b"{}").unwrap();
    assert_eq!(verify_signature(b"{}", &signature, &pem), Ok(()));
    assert!(matches!(verify_signature(b"{ }", &signature, &pem), Err(SignatureError::Mismatch { .. })));
    assert_eq!(
        verify_signature(b"{}", &signature, CHROME_KEY_PEM).unwrap_err().to_string(),
        "the signature has 256 bytes, where the key makes 512"
    );
    assert_eq!(
        verify_signature(b"{}", b"<html>", &pem),
        Err(SignatureError::Length { found: 6, expected: 256 })
    );
}

#[test]
fn a_key_that_is_no_rsa_key_in_pem_is_refused() {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let ec = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap().public_key_to_pem().unwrap();
    for key in ["", "-----BEGIN PUBLIC KEY-----\nAAAA\n", std::str::from_utf8(&ec).unwrap()] {
        assert_eq!(verify_signature(b"{}", &[0; 512], key), Err(SignatureError::Key));
    }
}
