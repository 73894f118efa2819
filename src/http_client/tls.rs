//! The TLS settings of requests, and why certificates were not accepted.

use openssl::asn1::Asn1TimeRef;
use openssl::error::ErrorStack;
use openssl::ssl::{NameType, SslConnector, SslConnectorBuilder, SslMethod, SslVerifyMode};
use openssl::x509::{X509Ref, X509StoreContext, X509StoreContextRef};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// The protocols that are offered to servers (RFC 7301 section 3.1).
pub(crate) const ALPN: &[u8] = b"\x08http/1.1";
/// Maximum number of servers whose failure is kept until it is reported.
const MAX_FAILURES: usize = 1_000;
/// Maximum number of names of a certificate that are reported.
const MAX_NAMES: usize = 3;
/// Maximum number of characters of each. A valid name has at most 255 octets (RFC 1035 section 2.3.4).
const MAX_NAME_CHARS: usize = 255;

/// The TLS settings of requests.
#[derive(Clone)]
pub(crate) struct TlsClient {
    connector: SslConnector,
    /// Why the certificate of a server was not accepted, by the name of the server. OpenSSL's own error says only that
    /// it was not.
    failures: Arc<Mutex<HashMap<String, String>>>,
}

impl TlsClient {
    /// HTTP/1.1 only, with the system's trusted certificates. They are located explicitly, because an OpenSSL that was
    /// built from source does not know where they are.
    ///
    /// # Errors
    /// If OpenSSL cannot be set up, or the system's certificates cannot be read.
    pub(crate) fn new() -> Result<Self, ErrorStack> {
        let mut builder = tls_builder()?;
        if let Some(file) = openssl_probe::probe().cert_file {
            builder.set_ca_file(file)?;
        }
        Ok(Self::with(builder, SslVerifyMode::PEER))
    }

    /// The same with other trusted certificates.
    pub(crate) fn with(mut builder: SslConnectorBuilder, mode: SslVerifyMode) -> Self {
        let failures = Arc::<Mutex<HashMap<String, String>>>::default();
        let noted = failures.clone();
        builder.set_verify_callback(mode, move |is_accepted, context| {
            if !is_accepted && let Some(server) = server_name(context) {
                let mut noted = noted.lock();
                if noted.len() >= MAX_FAILURES {
                    noted.clear();
                }
                noted.insert(server, reason(context));
            }
            is_accepted
        });
        TlsClient { connector: builder.build(), failures }
    }

    pub(super) fn connector(&self) -> SslConnector {
        self.connector.clone()
    }

    /// Why the certificate of `server` was not accepted, if that has not been reported yet.
    pub(super) fn take_failure(&self, server: &str) -> Option<String> {
        self.failures.lock().remove(server)
    }
}

/// The settings without trusted certificates.
pub(crate) fn tls_builder() -> Result<SslConnectorBuilder, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_alpn_protos(ALPN)?;
    Ok(builder)
}

/// The name of the server; `None` for an address.
fn server_name(context: &X509StoreContextRef) -> Option<String> {
    let ssl: Option<&openssl::ssl::SslRef> =
        X509StoreContext::ssl_idx().ok().and_then(|index| context.ex_data(index));
    ssl.and_then(|ssl| ssl.servername(NameType::HOST_NAME)).map(String::from)
}

/// Why the certificate is not accepted, with what it says.
fn reason(context: &X509StoreContextRef) -> String {
    let reason = context.error().error_string();
    match context.current_cert() {
        Some(certificate) => format!("{reason}; the certificate is {}", described(certificate)),
        None => reason.into(),
    }
}

fn described(certificate: &X509Ref) -> String {
    let alt_names = certificate.subject_alt_names();
    let names: Vec<&str> = alt_names.iter().flatten().filter_map(|name| name.dnsname()).collect();
    let more = if names.len() > MAX_NAMES { ", ..." } else { "" };
    let shown: Vec<String> =
        names.iter().take(MAX_NAMES).map(|name| name.chars().take(MAX_NAME_CHARS).collect()).collect();
    let shown = shown.join(", ");
    let time = |time: &Asn1TimeRef| time.to_string();
    format!(
        "for {}{more}, valid from {} to {}",
        if shown.is_empty() { "no name" } else { &shown },
        time(certificate.not_before()),
        time(certificate.not_after())
    )
}

/// The reason in the text of an OpenSSL error, such as `error:0A00010B:SSL routines:ssl3_get_record:wrong version
/// number:ssl/record/...`; `None` for any other text.
pub(super) fn reason_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("SSL routines:")?;
    let reason = rest.split(':').nth(1)?;
    (!reason.is_empty()).then_some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_openssls_text() {
        let text =
            "error:0A00010B:SSL routines:ssl3_get_record:wrong version number:ssl/record/ssl3_record.c:354:";
        assert_eq!(reason_in(text), Some("wrong version number"));
        assert_eq!(
            reason_in("error:0A000086:SSL routines::certificate verify failed:x"),
            Some("certificate verify failed")
        );
        assert_eq!(reason_in("connection refused"), None);
        assert_eq!(reason_in("SSL routines:"), None);
    }
}
