//! The TLS settings of requests.

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslConnectorBuilder, SslMethod};

/// The protocols that are offered to servers (RFC 7301 section 3.1).
pub(crate) const ALPN: &[u8] = b"\x08http/1.1";

/// The TLS settings: HTTP/1.1 only, with the system's trusted certificates. They are located explicitly, because an
/// OpenSSL that was built from source does not know where they are.
///
/// # Errors
/// If OpenSSL cannot be set up, or the system's certificates cannot be read.
pub(crate) fn tls_connector() -> Result<SslConnector, ErrorStack> {
    let mut builder = tls_builder()?;
    if let Some(file) = openssl_probe::probe().cert_file {
        builder.set_ca_file(file)?;
    }
    Ok(builder.build())
}

/// The same without the system's certificates.
pub(crate) fn tls_builder() -> Result<SslConnectorBuilder, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    builder.set_alpn_protos(ALPN)?;
    Ok(builder)
}
