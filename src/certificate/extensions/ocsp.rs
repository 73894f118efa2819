//! Extensions that belong to OCSP (RFC 6960 sections 4.2.2.2.1 and 4.4) but occur in certificates.
//!
//! OpenSSL prints a nonce, archive cut-off, invalidity date or hold instruction only with an indent. This
//! module prints without an indent, so the text of these extensions is `NULL`.

use super::super::der::{Reader, Result, tag};
use super::super::general_name::{self, Style};
use super::super::json::JsonText;
use super::super::name::{self, Attributes};
use super::super::{integer, objects, text, time};
use super::printed::Printed;

/// id-pkix-ocsp-nocheck. Its presence is the information; its value is NULL.
pub(super) fn no_check(mut value: Reader<'_>, _: &mut Vec<u8>) -> Result<Printed> {
    let null = value.expect(tag::NULL)?;
    if null.content.is_empty() { Ok(Printed::Text) } else { Err(null.malformed("NULL with content")) }
}

/// CrlID ::= SEQUENCE { crlUrl [0] EXPLICIT IA5String, crlNum [1] EXPLICIT INTEGER, crlTime [2]
/// EXPLICIT ... }
pub(super) fn crl_id(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut id = value.sequence()?;
    if let Some(url) = id.optional(tag::constructed(0))? {
        out.raw("crlUrl: ");
        text::write_with_points(&url.explicit()?.string(tag::IA5_STRING)?, out);
        out.line_end();
    }
    if let Some(number) = id.optional(tag::constructed(1))? {
        out.raw("crlNum: ");
        integer::write_hex_lines(&number.explicit()?.expect(tag::INTEGER)?, out)?;
        out.line_end();
    }
    if let Some(time) = id.optional(tag::constructed(2))? {
        out.raw("crlTime: ");
        if !time::write_generalized(time.explicit()?.expect(tag::GENERALIZED_TIME)?.content, out) {
            return Err(time.malformed("impossible time"));
        }
        out.line_end();
    }
    id.finish()?;
    Ok(Printed::Text)
}

/// ServiceLocator ::= SEQUENCE { issuer Name, locator AuthorityInfoAccessSyntax OPTIONAL }
pub(super) fn service_locator(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut service = value.sequence()?;
    let issuer = service.expect(tag::SEQUENCE)?;
    if issuer.content.is_empty() {
        // OpenSSL treats the empty text of an empty name as a failure.
        return Ok(Printed::Null);
    }
    out.raw("Issuer: ");
    name::write_rfc2253(Attributes::of(&issuer), out)?;
    if let Some(locator) = service.optional(tag::SEQUENCE)? {
        let mut descriptions = locator.reader();
        while !descriptions.is_empty() {
            let mut description = descriptions.sequence()?;
            out.line_end();
            objects::write_long(description.oid()?, out);
            out.raw(" - ");
            general_name::write(&description.element()?, Style::Line, out)?;
            description.finish()?;
        }
    }
    service.finish()?;
    Ok(Printed::Text)
}
