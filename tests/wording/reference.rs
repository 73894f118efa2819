//! The output of the linked OpenSSL for a certificate, as the reference for our texts.
//!
//! Together with `issuance`, this file contains the only `unsafe` code of these tests. Each function below
//! borrows the certificate while it holds pointers into it, and returns only owned values.

#![allow(unsafe_code)]

use foreign_types::{ForeignType, ForeignTypeRef};
use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::nid::Nid;
use openssl::stack::Stack;
use openssl::x509::{GeneralName, GeneralNameRef, X509, X509NameBuilder, X509NameRef, X509Ref};
use openssl_sys as ffi;
use std::ffi::{CStr, c_char, c_int, c_long, c_uchar};
use std::ptr;

unsafe extern "C" {
    // Not declared in openssl-sys. These are the declarations in x509.h and x509v3.h of every OpenSSL since
    // 1.1.0.
    fn X509_NAME_oneline(name: *const ffi::X509_NAME, buffer: *mut c_char, size: c_int) -> *mut c_char;
    fn GENERAL_NAME_print(out: *mut ffi::BIO, name: *mut ffi::GENERAL_NAME) -> c_int;
}

/// An extension as parsed by OpenSSL.
pub struct Extension {
    /// OpenSSL's number of the identifier; 0 if it does not know it.
    pub nid: c_int,
    pub short_name: String,
    pub dotted: String,
    pub value: Vec<u8>,
    /// The printed text. `None` if OpenSSL cannot print the extension.
    pub text: Option<Vec<u8>>,
    /// The names of a subjectAltName that can be parsed. `None` for other extensions.
    pub alt_names: Option<Vec<AltName>>,
}

/// A name of a subjectAltName.
pub struct AltName {
    /// `DNS:`, `email:` or `URI:`, and the bytes, for the kinds that the original server printed itself.
    pub string: Option<(&'static str, Vec<u8>)>,
    /// The text that OpenSSL prints.
    pub text: Vec<u8>,
}

/// `None` if OpenSSL rejects the certificate as a whole.
pub fn parse(der: &[u8]) -> Option<X509> {
    X509::from_der(der).ok()
}

pub fn extensions(certificate: &X509Ref) -> Vec<Extension> {
    // SAFETY: the certificate is a live X509 while it is borrowed. Counting only reads.
    let count = unsafe { ffi::X509_get_ext_count(certificate.as_ptr()) };
    (0..count).map(|place| extension(certificate, place)).collect()
}

fn extension(certificate: &X509Ref, place: c_int) -> Extension {
    // SAFETY: `place` is below the count, so the extension exists, with its object and its data. The
    // certificate owns them, and no code changes it while it is borrowed. The object outlives the calls that
    // use it.
    unsafe {
        let extension = ffi::X509_get_ext(certificate.as_ptr(), place);
        assert!(!extension.is_null());
        let object = ffi::X509_EXTENSION_get_object(extension);
        let nid = ffi::OBJ_obj2nid(object);
        let value = string_bytes(ffi::X509_EXTENSION_get_data(extension).cast());
        Extension {
            nid,
            short_name: if nid == 0 { String::new() } else { c_string(ffi::OBJ_nid2sn(nid)) },
            dotted: dotted(object),
            value,
            text: print(|out| ffi::X509V3_EXT_print(out, extension, 0, 0)),
            alt_names: if nid == ffi::NID_subject_alt_name { alt_names(extension) } else { None },
        }
    }
}

/// # Safety
///
/// `extension` must be a live subjectAltName.
unsafe fn alt_names(extension: *mut ffi::X509_EXTENSION) -> Option<Vec<AltName>> {
    // SAFETY: for this identifier, X509V3_EXT_d2i returns newly allocated GENERAL_NAMES that we own, or null.
    let names: Stack<GeneralName> = unsafe {
        let names = ffi::X509V3_EXT_d2i(extension);
        clear_errors();
        if names.is_null() {
            return None;
        }
        Stack::from_ptr(names.cast())
    };
    Some(names.iter().map(alt_name).collect())
}

fn alt_name(name: &GeneralNameRef) -> AltName {
    // SAFETY: the name is live while it is borrowed, and printing only reads. Its `d` is a union of pointers
    // whose kind is in `type_`: 1, 2 and 6 are IA5Strings, which are ASN1_STRINGs.
    unsafe {
        let raw = name.as_ptr();
        let label = match (*raw).type_ {
            1 => Some("email:"),
            2 => Some("DNS:"),
            6 => Some("URI:"),
            _ => None,
        };
        AltName {
            string: label.map(|label| (label, string_bytes((*raw).d.cast()))),
            text: print(|out| GENERAL_NAME_print(out, raw)).unwrap_or_default(),
        }
    }
}

/// The bytes that `write` writes to the BIO. `None` if it reports a failure.
fn print(write: impl FnOnce(*mut ffi::BIO) -> c_int) -> Option<Vec<u8>> {
    // SAFETY: the BIO is created, checked and freed here. BIO_get_mem_data sets the pointer to as many bytes
    // as it returns. They stay in place until the BIO is written to or freed, and are copied before that.
    unsafe {
        let out = ffi::BIO_new(ffi::BIO_s_mem());
        assert!(!out.is_null());
        let succeeded = write(out) == 1;
        let mut text = ptr::null_mut();
        let length = ffi::BIO_get_mem_data(out, &mut text);
        let text = copy(text.cast(), length);
        ffi::BIO_free_all(out);
        clear_errors();
        succeeded.then_some(text)
    }
}

/// The output of `X509_NAME_oneline` for each attribute separately, and the number of its type. `None` if one
/// is too long.
///
/// Only separate output distinguishes the slashes in values from the separators: a value may end with text
/// that looks like an escape.
pub fn one_line(name: &X509NameRef) -> Option<Vec<(Nid, String)>> {
    let lines = name.entries().map(|attribute| {
        let mut alone = X509NameBuilder::new().expect("a name");
        alone.append_entry(attribute).expect("an attribute");
        let alone = alone.build();
        // SAFETY: the name is live during the call. Without a buffer, X509_NAME_oneline returns a newly
        // allocated one that ends with a NUL. We own it and free it.
        unsafe {
            let line = X509_NAME_oneline(alone.as_ptr(), ptr::null_mut(), 0);
            clear_errors();
            if line.is_null() {
                return None;
            }
            let text = c_string(line);
            ffi::OPENSSL_free(line.cast());
            Some((attribute.object().nid(), text))
        }
    });
    lines.collect()
}

/// The text of the first attribute of this kind. The inner `None` means that its value is not a string.
pub fn first_attribute(name: &X509NameRef, nid: Nid) -> Option<Option<String>> {
    let attribute = name.entries_by_nid(nid).next()?;
    // SAFETY: the data is live while the name is borrowed. ASN1_STRING_to_UTF8 sets the pointer to a newly
    // allocated text of as many bytes as it returns, which we own and free, unless it returns a negative
    // number.
    unsafe {
        let mut text = ptr::null_mut();
        let length = ffi::ASN1_STRING_to_UTF8(&mut text, attribute.data().as_ptr());
        clear_errors();
        if length < 0 {
            return Some(None);
        }
        let bytes = copy(text, c_long::from(length));
        ffi::OPENSSL_free(text.cast());
        Some(String::from_utf8(bytes).ok())
    }
}

/// An identifier that OpenSSL knows.
pub struct Object {
    pub short_name: String,
    pub long_name: String,
    pub dotted: String,
    /// The content of its encoding.
    pub content: Vec<u8>,
}

/// `None` if OpenSSL does not use the number, or if it has no identifier.
pub fn object(nid: c_int) -> Option<Object> {
    // SAFETY: OBJ_nid2obj returns null or an object of the library's own table. The object and its names live
    // forever. The data of an object has as many bytes as its length says.
    unsafe {
        let object = ffi::OBJ_nid2obj(nid);
        clear_errors();
        if object.is_null() || ffi::OBJ_length(object) == 0 {
            return None;
        }
        Some(Object {
            short_name: c_string(ffi::OBJ_nid2sn(nid)),
            long_name: c_string(ffi::OBJ_nid2ln(nid)),
            dotted: dotted(object),
            content: copy(ffi::OBJ_get0_data(object), ffi::OBJ_length(object) as c_long),
        })
    }
}

/// Whether cA is true in basicConstraints.
pub fn is_ca(certificate: &X509Ref) -> bool {
    const EXFLAG_CA: u32 = 0x10;
    // SAFETY: the certificate is live while it is borrowed. The call caches its results in the certificate,
    // protected by the certificate's own lock.
    let flags = unsafe { ffi::X509_get_extension_flags(certificate.as_ptr()) };
    clear_errors();
    flags & EXFLAG_CA != 0
}

pub fn unix_seconds(time: &Asn1TimeRef) -> Option<i64> {
    let epoch = Asn1Time::from_unix(0).expect("1970");
    let difference = epoch.diff(time);
    clear_errors();
    difference.ok().map(|difference| i64::from(difference.days) * 86_400 + i64::from(difference.secs))
}

/// # Safety
///
/// `object` must be live.
unsafe fn dotted(object: *const ffi::ASN1_OBJECT) -> String {
    let mut buffer = [0u8; 512];
    // SAFETY: the call writes at most as many bytes as the given size of the buffer, including a NUL at the
    // end.
    unsafe {
        ffi::OBJ_obj2txt(buffer.as_mut_ptr().cast(), buffer.len() as c_int, object, 1);
        clear_errors();
        c_string(buffer.as_ptr().cast())
    }
}

/// # Safety
///
/// `string` must be live.
unsafe fn string_bytes(string: *const ffi::ASN1_STRING) -> Vec<u8> {
    // SAFETY: the data of a live string has as many bytes as its length says.
    unsafe { copy(ffi::ASN1_STRING_get0_data(string), c_long::from(ffi::ASN1_STRING_length(string))) }
}

/// # Safety
///
/// If `length` is above zero, `start` must point to that many bytes.
unsafe fn copy(start: *const c_uchar, length: c_long) -> Vec<u8> {
    match usize::try_from(length) {
        // SAFETY: guaranteed by the caller.
        Ok(length) if length > 0 => unsafe { std::slice::from_raw_parts(start, length) }.to_vec(),
        _ => Vec::new(),
    }
}

/// # Safety
///
/// `text` must be null or point to a text that ends with a NUL.
unsafe fn c_string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: guaranteed by the caller.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// Removes errors from OpenSSL's queue. Return values already report them, and a later call would find them
/// there.
fn clear_errors() {
    drop(openssl::error::ErrorStack::get());
}
