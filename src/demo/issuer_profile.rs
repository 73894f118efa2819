//! The names of the demo's certificate authorities and their issuing practices.
//!
//! Contains only data. Together, the profiles cover the variations in real certificates: with and without
//! common names, OCSP, CRLs, policies with CPS, and two orders of extensions.

use super::keys::Algorithm;

/// The level of validation of a certificate's subject (CA/Browser Forum Baseline Requirements).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// Only control of the domain is validated.
    Domain,
    /// An organization is validated.
    Organization,
    /// An organization is validated according to the Extended Validation Guidelines.
    Extended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommonName {
    /// The subject is empty. The subjectAltName contains all names and is critical (RFC 5280 section
    /// 4.1.2.6).
    Never,
    /// For half of the certificates.
    Sometimes,
    /// If a name is short enough.
    WhenItFits,
}

/// The order of extensions, and the beginning of a certificate's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// As for authorities that issue automatically: valid from about an hour ago.
    Automated,
    /// As for authorities that sell certificates: valid from the last midnight.
    Commercial,
}

/// An intermediate authority and the root above it. Profiles that name the same root share it.
pub(super) struct IssuerProfile {
    pub country: &'static str,
    pub organization: &'static str,
    pub root_name: &'static str,
    pub root_algorithm: Algorithm,
    /// The URLs in the intermediate's certificate for the root's certificate and its CRL.
    pub root_issuers: &'static str,
    pub root_crl: &'static str,
    pub name: &'static str,
    pub algorithm: Algorithm,
    /// Its share of all certificates, in percent.
    pub share: u32,
    pub validity_days: i64,
    pub manner: Manner,
    pub common_name: CommonName,
    /// The validation levels of its certificates, with equal probability.
    pub levels: &'static [Level],
    pub client_auth: bool,
    /// Whether its precerts are signed by a Precertificate Signing Certificate (RFC 6962 section 3.1).
    pub has_precert_signer: bool,
    pub ocsp: Option<&'static str>,
    pub ca_issuers: &'static str,
    pub crls: &'static [&'static str],
    /// Its own policy OID and the URL of its certification practice statement.
    pub own_policy: Option<(&'static [u32], &'static str)>,
}

pub(super) const ISSUER_PROFILES: [IssuerProfile; 4] = [
    IssuerProfile {
        country: "NL",
        organization: "Larkspur Commons",
        root_name: "Larkspur Root X1",
        root_algorithm: Algorithm::Rsa2048,
        root_issuers: "http://x1.i.larkspur.example/",
        root_crl: "http://x1.c.larkspur.example/",
        name: "E8",
        algorithm: Algorithm::EcdsaP256,
        share: 35,
        validity_days: 90,
        manner: Manner::Automated,
        common_name: CommonName::Never,
        levels: &[Level::Domain],
        client_auth: false,
        has_precert_signer: false,
        ocsp: None,
        ca_issuers: "http://e8.i.larkspur.example/",
        crls: &["http://e8.c.larkspur.example/41.crl"],
        own_policy: None,
    },
    IssuerProfile {
        country: "NL",
        organization: "Larkspur Commons",
        root_name: "Larkspur Root X1",
        root_algorithm: Algorithm::Rsa2048,
        root_issuers: "http://x1.i.larkspur.example/",
        root_crl: "http://x1.c.larkspur.example/",
        name: "R12",
        algorithm: Algorithm::Rsa2048,
        share: 20,
        validity_days: 90,
        manner: Manner::Automated,
        common_name: CommonName::Sometimes,
        levels: &[Level::Domain],
        client_auth: true,
        has_precert_signer: false,
        ocsp: Some("http://r12.o.larkspur.example"),
        ca_issuers: "http://r12.i.larkspur.example/",
        crls: &[],
        own_policy: None,
    },
    IssuerProfile {
        country: "US",
        organization: "Tessellate Trust Services LLC",
        root_name: "Tessellate Root R4",
        root_algorithm: Algorithm::EcdsaP256,
        root_issuers: "http://i.pki.tessellate.example/r4.crt",
        root_crl: "http://c.pki.tessellate.example/r4.crl",
        name: "WE2",
        algorithm: Algorithm::EcdsaP256,
        share: 25,
        validity_days: 90,
        manner: Manner::Automated,
        common_name: CommonName::WhenItFits,
        levels: &[Level::Domain],
        client_auth: false,
        has_precert_signer: false,
        ocsp: Some("http://o.pki.tessellate.example/we2"),
        ca_issuers: "http://i.pki.tessellate.example/we2.crt",
        crls: &["http://c.pki.tessellate.example/we2/7TQvZ8s.crl"],
        own_policy: None,
    },
    IssuerProfile {
        country: "DE",
        organization: "Quillmark AG",
        root_name: "Quillmark Global Root G2",
        root_algorithm: Algorithm::EcdsaP256,
        root_issuers: "http://cacerts.quillmark.example/QuillmarkGlobalRootG2.crt",
        root_crl: "http://crl1.quillmark.example/QuillmarkGlobalRootG2.crl",
        name: "Quillmark Secure Server ECC CA 3",
        algorithm: Algorithm::EcdsaP256,
        share: 20,
        validity_days: 398,
        manner: Manner::Commercial,
        common_name: CommonName::WhenItFits,
        levels: &[Level::Organization, Level::Extended],
        client_auth: true,
        has_precert_signer: true,
        ocsp: Some("http://ocsp.quillmark.example"),
        ca_issuers: "http://cacerts.quillmark.example/QuillmarkSecureServerECCCA3.crt",
        crls: &[
            "http://crl1.quillmark.example/QuillmarkSecureServerECCCA3.crl",
            "http://crl2.quillmark.example/QuillmarkSecureServerECCCA3.crl",
        ],
        // 2.999 is the arc of examples (ITU-T X.660).
        own_policy: Some((&[2, 999, 4711, 1], "https://www.quillmark.example/cps")),
    },
];
