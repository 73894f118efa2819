//! authorityInfoAccess and subjectInfoAccess (RFC 5280 section 4.2.2).

use super::super::der::{Reader, Result};
use super::super::general_name::{self, Style};
use super::super::json::JsonText;
use super::super::objects;
use super::printed::Printed;

/// AccessDescription ::= SEQUENCE { accessMethod OBJECT IDENTIFIER, accessLocation GeneralName }
pub(super) fn info_access(mut value: Reader<'_>, out: &mut Vec<u8>) -> Result<Printed> {
    let mut descriptions = value.sequence()?;
    if descriptions.is_empty() {
        out.raw("<EMPTY>\\n");
    }
    while !descriptions.is_empty() {
        let mut description = descriptions.sequence()?;
        match description.oid()? {
            [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 1] => out.raw("OCSP"),
            [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 2] => out.raw("CA Issuers"),
            method => objects::write_long(method, out),
        }
        out.raw(" - ");
        general_name::write(&description.element()?, Style::Value, out)?;
        description.finish()?;
        out.line_end();
    }
    Ok(Printed::Text)
}
