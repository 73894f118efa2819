//! The extensions of a certificate (RFC 5280 sections 4.1.2.9 and 4.2): the list of them, and the text of
//! each.
//!
//! Each extension is named by OpenSSL's short name. An extension without such a name is left out. The text is
//! `"NULL"` for an extension that OpenSSL cannot print and for one that cannot be parsed.

mod access;
mod admission;
mod crl;
mod keys;
mod names;
mod ocsp;
mod policies;
mod printed;
mod rare;
mod resources;
mod scts;
mod usage;

use std::borrow::Cow;
use std::collections::HashMap;

use super::der::{Element, Reader, Result, is_same_oid, tag};
use super::faults::Faults;
use super::json::JsonText;
use super::{objects, text};
use printed::{Printed, Printer};

const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1D, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1D, 19];
const PRECERT_POISON: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0xD6, 0x79, 0x02, 0x04, 0x03];

/// Up to this many extensions are compared one by one, which is cheaper than hashing them.
const FEW: usize = 32;

/// Extension ::= SEQUENCE { extnID OBJECT IDENTIFIER, critical BOOLEAN DEFAULT FALSE, extnValue
/// OCTET STRING }
struct Extension<'a> {
    oid: &'a [u8],
    value: Cow<'a, [u8]>,
    /// Offset of the value.
    at: usize,
}

impl<'a> Extension<'a> {
    /// Reads the next extension, or the available part of a truncated one.
    fn read(list: &mut Reader<'a>, faults: &mut Faults) -> Result<Self> {
        let (sequence, is_cut) = list.element_or_cut()?;
        if sequence.tag != tag::SEQUENCE {
            return Err(sequence.malformed("no SEQUENCE where one belongs"));
        }
        let mut reader = sequence.reader();
        let oid = reader.oid()?;
        if let Some(critical) = reader.optional(tag::BOOLEAN)? {
            // X.690 section 11.1: TRUE is 0xFF.
            if !matches!(critical.content, [0x00 | 0xFF]) {
                faults.add("extensions", critical.malformed("BOOLEAN that is neither TRUE nor FALSE"));
            }
        }
        let (value, is_value_cut) = reader.element_or_cut()?;
        if value.tag & !tag::CONSTRUCTED != tag::OCTET_STRING {
            return Err(value.malformed("no OCTET STRING where one belongs"));
        }
        if is_cut || is_value_cut {
            faults.add("extensions", sequence.malformed("cut short"));
        } else {
            reader.finish()?;
        }
        Ok(Extension { oid, value: value.octets()?, at: value.content_at })
    }

    fn reader(&self) -> Reader<'_> {
        Reader::new(&self.value, self.at)
    }
}

/// The extensions without duplicates. The last one of a repeated extension replaces the first one, in its
/// place.
pub(super) struct Extensions<'a> {
    list: Vec<Extension<'a>>,
    /// The values of subjectAltName extensions that a later one has replaced. Their names are valid names too.
    earlier_alt_names: Vec<Cow<'a, [u8]>>,
}

impl<'a> Extensions<'a> {
    pub(super) fn parse(extensions: Option<Element<'a>>, faults: &mut Faults) -> Extensions<'a> {
        let mut standing = Extensions { list: Vec::new(), earlier_alt_names: Vec::new() };
        let Some(extensions) = extensions else { return standing };
        standing.list.reserve(12);
        let mut places = HashMap::new();
        let mut reader = extensions.reader();
        while !reader.is_empty() {
            let at = reader.at();
            let extension = Extension::read(&mut reader, faults);
            let Some(extension) = faults.keep("extensions", extension) else {
                // If an element cannot be framed, the list ends here.
                if reader.at() == at {
                    break;
                }
                continue;
            };
            if let Some(extension) = standing.replace(extension, at, &places, faults) {
                if standing.list.len() >= FEW {
                    places.insert(extension.oid, standing.list.len());
                }
                standing.list.push(extension);
            }
        }
        standing
    }

    /// Replaces an earlier extension with the same identifier. Returns the extension if there is none.
    fn replace(
        &mut self,
        extension: Extension<'a>,
        at: usize,
        places: &HashMap<&'a [u8], usize>,
        faults: &mut Faults,
    ) -> Option<Extension<'a>> {
        let few = self.list.iter().take(FEW).position(|earlier| is_same_oid(earlier.oid, extension.oid));
        let place = few.or_else(|| places.get(extension.oid).copied());
        let Some(earlier) = place.and_then(|place| self.list.get_mut(place)) else {
            return Some(extension);
        };
        // RFC 5280 section 4.2
        faults.note("extensions", "an extension for the second time", at);
        let replaced = std::mem::replace(earlier, extension);
        if replaced.oid == SUBJECT_ALT_NAME {
            self.earlier_alt_names.push(replaced.value);
        }
        None
    }

    fn find(&self, oid: &[u8]) -> Option<&Extension<'a>> {
        self.list.iter().find(|extension| is_same_oid(extension.oid, oid))
    }

    /// The values of all subjectAltName extensions, in order. There should be only one.
    pub(super) fn alt_names(&self) -> impl Iterator<Item = &[u8]> {
        let last = self.find(SUBJECT_ALT_NAME).map(|extension| extension.value.as_ref());
        self.earlier_alt_names.iter().map(AsRef::as_ref).chain(last)
    }

    /// Whether the certificate has the poison extension of a precertificate (RFC 6962 section 3.1).
    pub(super) fn has_poison(&self) -> bool {
        self.find(PRECERT_POISON).is_some()
    }

    pub(super) fn is_ca(&self) -> bool {
        self.find(BASIC_CONSTRAINTS).is_some_and(|extension| usage::is_ca(extension.reader()))
    }

    /// Writes the object `extensions`. A precert with the poison also gets `ctlPoisonByte`.
    pub(super) fn write(&self, is_precert: bool, faults: &mut Faults, out: &mut Vec<u8>) {
        out.push(b'{');
        let mut is_first = true;
        for extension in &self.list {
            let Some((name, printer)) = wording(extension.oid) else { continue };
            out.raw(if is_first { "\"" } else { ",\"" });
            is_first = false;
            out.raw(name);
            out.raw("\":\"");
            let text_start = out.len();
            match printer(extension.reader(), out) {
                Ok(Printed::Text) => {}
                Ok(Printed::Null) => write_null(text_start, out),
                // The text of a subjectAltName that cannot be parsed is empty, for compatibility. This does
                // not apply if it can be parsed but not shown.
                Err(fault) if extension.oid == SUBJECT_ALT_NAME && fault.what != text::NOT_UTF8 => {
                    faults.add(name, fault);
                    out.truncate(text_start);
                }
                Err(fault) => {
                    faults.add(name, fault);
                    write_null(text_start, out);
                }
            }
            out.push(b'"');
            if is_precert && extension.oid == PRECERT_POISON {
                out.raw(",\"ctlPoisonByte\":true");
            }
        }
        out.push(b'}');
    }
}

fn write_null(text_start: usize, out: &mut Vec<u8>) {
    out.truncate(text_start);
    out.raw("NULL");
}

/// The short name of an extension and the function that prints it. `None` if it has no name.
fn wording(oid: &[u8]) -> Option<(&'static str, Printer)> {
    let known: (&'static str, Printer) = match oid {
        // id-ce, 2.5.29
        [0x55, 0x1D, extension] => match extension {
            14 => ("subjectKeyIdentifier", keys::subject_key_identifier),
            15 => ("keyUsage", usage::key_usage),
            16 => ("privateKeyUsagePeriod", keys::private_key_usage_period),
            17 => ("subjectAltName", names::subject_alt_name),
            18 => ("issuerAltName", names::list_of_names),
            19 => ("basicConstraints", usage::basic_constraints),
            20 => ("crlNumber", rare::integer),
            21 => ("CRLReason", crl::reason),
            27 => ("deltaCRL", rare::integer),
            28 => ("issuingDistributionPoint", crl::issuing_distribution_point),
            29 => ("certificateIssuer", names::list_of_names),
            30 => ("nameConstraints", names::name_constraints),
            31 => ("crlDistributionPoints", crl::distribution_points),
            32 => ("certificatePolicies", policies::certificate_policies),
            33 => ("policyMappings", policies::policy_mappings),
            35 => ("authorityKeyIdentifier", keys::authority_key_identifier),
            36 => ("policyConstraints", policies::policy_constraints),
            37 => ("extendedKeyUsage", usage::extended_key_usage),
            46 => ("freshestCRL", crl::distribution_points),
            54 => ("inhibitAnyPolicy", rare::integer),
            _ => return without_words(oid),
        },
        // id-pe, 1.3.6.1.5.5.7.1
        [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, extension] => match extension {
            1 => ("authorityInfoAccess", access::info_access),
            7 => ("sbgp-ipAddrBlock", resources::ip_address_blocks),
            8 => ("sbgp-autonomousSysNum", resources::autonomous_system_numbers),
            11 => ("subjectInfoAccess", access::info_access),
            14 => ("proxyCertInfo", rare::proxy_certificate),
            24 => ("tlsfeature", rare::tls_feature),
            _ => return without_words(oid),
        },
        // id-pkix-ocsp, 1.3.6.1.5.5.7.48.1
        [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, extension] => match extension {
            3 => ("CrlID", ocsp::crl_id),
            4 => ("acceptableResponses", usage::extended_key_usage),
            5 => ("noCheck", ocsp::no_check),
            7 => ("serviceLocator", ocsp::service_locator),
            _ => return without_words(oid),
        },
        // RFC 6962 sections 3.1 and 3.3: 1.3.6.1.4.1.11129.2.4
        [0x2B, 0x06, 0x01, 0x04, 0x01, 0xD6, 0x79, 0x02, 0x04, extension] => match extension {
            2 => ("ct_precert_scts", scts::list),
            3 => ("ct_precert_poison", null),
            5 => ("ct_cert_scts", scts::list),
            _ => return without_words(oid),
        },
        // Netscape, 2.16.840.1.113730.1
        [0x60, 0x86, 0x48, 0x01, 0x86, 0xF8, 0x42, 0x01, extension] => match extension {
            1 => ("nsCertType", usage::netscape_certificate_type),
            2 => ("nsBaseUrl", rare::ia5_string),
            3 => ("nsRevocationUrl", rare::ia5_string),
            4 => ("nsCaRevocationUrl", rare::ia5_string),
            7 => ("nsRenewalUrl", rare::ia5_string),
            8 => ("nsCaPolicyUrl", rare::ia5_string),
            12 => ("nsSslServerName", rare::ia5_string),
            13 => ("nsComment", rare::ia5_string),
            _ => return without_words(oid),
        },
        [0x2B, 0x65, 0x01, 0x04, 0x01] => ("SXNetID", rare::strong_extranet),
        [0x2B, 0x24, 0x08, 0x03, 0x03] => ("x509ExtAdmission", admission::admission_syntax),
        _ => return without_words(oid),
    };
    Some(known)
}

fn without_words(oid: &[u8]) -> Option<(&'static str, Printer)> {
    objects::find(oid).map(|object| (object.short_name, null as Printer))
}

fn null(_: Reader<'_>, _: &mut Vec<u8>) -> Result<Printed> {
    Ok(Printed::Null)
}
