//! The certificate extensions of the demo. Each has a function that writes it.

use super::der::{Der, tag};
use super::issuer_profile::{IssuerProfile, Level};
use super::names::SubjectNames;
use std::net::IpAddr;

/// id-ce (RFC 5280 section 4.2.1), id-pe and id-ad (section 4.2.2), and CT's two (RFC 6962 sections 3.1 and 3.3).
const SUBJECT_KEY_IDENTIFIER: &[u32] = &[2, 5, 29, 14];
const KEY_USAGE: &[u32] = &[2, 5, 29, 15];
const SUBJECT_ALT_NAME: &[u32] = &[2, 5, 29, 17];
const BASIC_CONSTRAINTS: &[u32] = &[2, 5, 29, 19];
const CRL_DISTRIBUTION_POINTS: &[u32] = &[2, 5, 29, 31];
const CERTIFICATE_POLICIES: &[u32] = &[2, 5, 29, 32];
const AUTHORITY_KEY_IDENTIFIER: &[u32] = &[2, 5, 29, 35];
const EXTENDED_KEY_USAGE: &[u32] = &[2, 5, 29, 37];
const AUTHORITY_INFO_ACCESS: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 1, 1];
const ACCESS_OCSP: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 48, 1];
const ACCESS_CA_ISSUERS: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 48, 2];
const QUALIFIER_CPS: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 2, 1];
const SERVER_AUTH: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 1];
const PRECERT_SIGNING: &[u32] = &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 4];
const CLIENT_AUTH: &[u32] = &[1, 3, 6, 1, 5, 5, 7, 3, 2];
const SCT_LIST: &[u32] = &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];
const PRECERT_POISON: &[u32] = &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 3];

/// CA/Browser Forum policy identifiers.
const DOMAIN_VALIDATED: &[u32] = &[2, 23, 140, 1, 2, 1];
const ORGANIZATION_VALIDATED: &[u32] = &[2, 23, 140, 1, 2, 2];
const EXTENDED_VALIDATION: &[u32] = &[2, 23, 140, 1, 1];

/// Bits of KeyUsage (RFC 5280 section 4.2.1.3). Bit 0 is the top bit.
pub(super) mod usage {
    pub(crate) const DIGITAL_SIGNATURE: u8 = 1 << 7;
    pub(crate) const KEY_ENCIPHERMENT: u8 = 1 << 5;
    pub(crate) const CERT_SIGN: u8 = 1 << 2;
    pub(crate) const CRL_SIGN: u8 = 1 << 1;
}

fn extension(der: &mut Der, id: &[u32], critical: bool, value: impl FnOnce(&mut Der)) {
    der.sequence(|der| {
        der.oid(id);
        // FALSE is the default, which DER omits.
        if critical {
            der.boolean_true();
        }
        der.nested(tag::OCTET_STRING, value);
    });
}

pub(super) fn key_usage(der: &mut Der, bits: u8) {
    extension(der, KEY_USAGE, true, |der| der.named_bits(bits));
}

pub(super) fn extended_key_usage(der: &mut Der, client_auth: bool) {
    extension(der, EXTENDED_KEY_USAGE, false, |der| {
        der.sequence(|der| {
            der.oid(SERVER_AUTH);
            if client_auth {
                der.oid(CLIENT_AUTH);
            }
        });
    });
}

/// The usage of a certificate that only signs precerts (RFC 6962 section 3.1).
pub(super) fn precert_signing_usage(der: &mut Der) {
    extension(der, EXTENDED_KEY_USAGE, true, |der| der.sequence(|der| der.oid(PRECERT_SIGNING)));
}

pub(super) fn not_an_authority(der: &mut Der) {
    extension(der, BASIC_CONSTRAINTS, true, |der| der.sequence(|_| {}));
}

/// `path_length`: the maximum number of authorities below this one. `None` means no limit.
pub(super) fn is_authority(der: &mut Der, path_length: Option<u8>) {
    extension(der, BASIC_CONSTRAINTS, true, |der| {
        der.sequence(|der| {
            der.boolean_true();
            if let Some(length) = path_length {
                der.unsigned(&[length]);
            }
        });
    });
}

pub(super) fn subject_key_identifier(der: &mut Der, key_id: &[u8]) {
    extension(der, SUBJECT_KEY_IDENTIFIER, false, |der| der.octet_string(key_id));
}

pub(super) fn authority_key_identifier(der: &mut Der, key_id: &[u8]) {
    extension(der, AUTHORITY_KEY_IDENTIFIER, false, |der| {
        der.sequence(|der| der.value(tag::context(0), key_id));
    });
}

pub(super) fn authority_info_access(der: &mut Der, ocsp: Option<&str>, ca_issuers: &str) {
    let locations = ocsp.map(|url| (ACCESS_OCSP, url)).into_iter().chain([(ACCESS_CA_ISSUERS, ca_issuers)]);
    extension(der, AUTHORITY_INFO_ACCESS, false, |der| {
        der.sequence(|der| {
            for (method, url) in locations {
                der.sequence(|der| {
                    der.oid(method);
                    uri(der, url);
                });
            }
        });
    });
}

pub(super) fn subject_alt_name(der: &mut Der, names: &SubjectNames, critical: bool) {
    extension(der, SUBJECT_ALT_NAME, critical, |der| {
        der.sequence(|der| {
            for name in &names.dns {
                der.value(tag::context(2), name.as_bytes()); // dNSName
            }
            for address in &names.addresses {
                match address {
                    IpAddr::V4(v4) => der.value(tag::context(7), &v4.octets()), // iPAddress
                    IpAddr::V6(v6) => der.value(tag::context(7), &v6.octets()),
                }
            }
        });
    });
}

pub(super) fn certificate_policies(der: &mut Der, profile: &IssuerProfile, levels: &[Level]) {
    extension(der, CERTIFICATE_POLICIES, false, |der| {
        der.sequence(|der| {
            if let Some((policy, cps)) = profile.own_policy {
                der.sequence(|der| {
                    der.oid(policy);
                    der.sequence(|der| {
                        der.sequence(|der| {
                            der.oid(QUALIFIER_CPS);
                            der.value(tag::IA5_STRING, cps.as_bytes());
                        });
                    });
                });
            }
            for level in levels {
                der.sequence(|der| {
                    der.oid(match level {
                        Level::Domain => DOMAIN_VALIDATED,
                        Level::Organization => ORGANIZATION_VALIDATED,
                        Level::Extended => EXTENDED_VALIDATION,
                    });
                });
            }
        });
    });
}

/// Writes one DistributionPoint for each URL.
pub(super) fn crl_distribution_points(der: &mut Der, urls: &[&str]) {
    if urls.is_empty() {
        return;
    }
    extension(der, CRL_DISTRIBUTION_POINTS, false, |der| {
        der.sequence(|der| {
            for url in urls {
                der.sequence(|der| {
                    // distributionPoint [0] { fullName [0] { GeneralName } }
                    der.nested(tag::context_constructed(0), |der| {
                        der.nested(tag::context_constructed(0), |der| uri(der, url));
                    });
                });
            }
        });
    });
}

/// `list`: an encoded SignedCertificateTimestampList (RFC 6962 section 3.3).
pub(super) fn sct_list(der: &mut Der, list: &[u8]) {
    extension(der, SCT_LIST, false, |der| der.octet_string(list));
}

/// The poison, which makes a precertificate unusable as a certificate (RFC 6962 section 3.1).
pub(super) fn precert_poison(der: &mut Der) {
    extension(der, PRECERT_POISON, true, Der::null);
}

/// Writes the uniformResourceIdentifier of a GeneralName.
fn uri(der: &mut Der, url: &str) {
    der.value(tag::context(6), url.as_bytes());
}
