//! TLS to servers of NATS, by the product's own OpenSSL.

use super::error::NatsFileError;
use crate::config::NatsConfig;
use async_nats::rustls::pki_types::pem::PemObject;
use async_nats::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use async_nats::rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The settings of connections. They are used if the server, or the configuration, asks for TLS.
pub(super) fn client(config: &NatsConfig) -> Result<ClientConfig, NatsFileError> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls_openssl::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| NatsFileError { key: "tls_ca", path: None, why: error.to_string() })?
        .with_root_certificates(roots(config.tls_ca.as_deref())?);
    let Some((certificate, key)) = &config.tls_identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(certificate, "tls_certificate")?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(fault("tls_key", key))?;
    builder.with_client_auth_cert(chain, private).map_err(fault("tls_certificate", certificate))
}

/// The certificates in the file `ca`, or the system's.
fn roots(ca: Option<&Path>) -> Result<RootCertStore, NatsFileError> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(path) => {
            let key = "tls_ca";
            for certificate in certificates(path, key)? {
                roots.add(certificate).map_err(fault(key, path))?;
            }
        }
        None => {
            if let Some(path) = openssl_probe::probe().cert_file {
                // Some of the system's may be of kinds that TLS does not know.
                roots.add_parsable_certificates(certificates(&path, "tls_ca")?);
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path, key: &'static str) -> Result<Vec<CertificateDer<'static>>, NatsFileError> {
    let read = CertificateDer::pem_file_iter(path).map_err(fault(key, path))?;
    let certificates = read.collect::<Result<Vec<_>, _>>().map_err(fault(key, path))?;
    if certificates.is_empty() {
        return Err(fault(key, path)("it has no certificate"));
    }
    Ok(certificates)
}

fn fault<E: fmt::Display>(key: &'static str, path: &Path) -> impl FnOnce(E) -> NatsFileError {
    move |error| NatsFileError::new(key, path, error)
}
