//! The server's certificate, which can be replaced while the server runs.

use super::tcp::Tcp;
use crate::config::TlsFiles;
use crate::system::read_file;
use openssl::error::ErrorStack;
use openssl::ssl::{
    AlpnError, Ssl, SslAcceptor, SslFiletype, SslMethod, SslMode, SslOptions, SslSessionCacheMode,
    select_next_proto,
};
use parking_lot::RwLock;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::SystemTime;
use tokio_openssl::SslStream;
use zeroize::Zeroizing;

/// ALPN protocols (RFC 7301): HTTP/1.1 only. WebSocket over HTTP/2 needs RFC 8441, which few clients support.
const PROTOCOLS: &[u8] = b"\x08http/1.1";

/// Largest certificate or key file, in bytes.
pub(crate) const MAX_PEM_BYTES: usize = 1024 * 1024;

/// Why TLS cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate file cannot be used.
    #[error("tls.certificate: {0} is not a PEM file with a certificate: {1}")]
    Certificate(PathBuf, String),
    /// The key file cannot be used.
    #[error("tls.key: {0} is not a PEM file with the certificate's private key: {1}")]
    Key(PathBuf, String),
    /// OpenSSL failed.
    #[error("TLS cannot be set up: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// Accepts TLS connections with the newest valid certificate.
pub(crate) struct Tls(RwLock<InUse>);

struct InUse {
    files: TlsFiles,
    acceptor: SslAcceptor,
}

/// Modification times of the two files, if available.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileTimes([Option<SystemTime>; 2]);

impl Tls {
    /// Loads the certificate and key in `files`.
    ///
    /// # Errors
    /// If they do not contain a certificate and its key.
    pub(crate) fn new(files: TlsFiles) -> Result<Self, TlsError> {
        let acceptor = acceptor(&files)?;
        Ok(Tls(RwLock::new(InUse { files, acceptor })))
    }

    /// Loads the certificate and key in `files` for new connections. Existing connections are not affected.
    ///
    /// # Errors
    /// If they do not contain a certificate and its key. Nothing changes then.
    pub(crate) fn replace(&self, files: TlsFiles) -> Result<(), TlsError> {
        let acceptor = acceptor(&files)?;
        *self.0.write() = InUse { files, acceptor };
        Ok(())
    }

    /// The paths of the certificate and its key.
    pub(crate) fn files(&self) -> TlsFiles {
        self.0.read().files.clone()
    }

    /// The modification times of the two files.
    pub(crate) fn file_times(&self) -> FileTimes {
        let modified = |file: &PathBuf| file.metadata().and_then(|data| data.modified()).ok();
        let files = self.files();
        FileTimes([modified(&files.certificate), modified(&files.key)])
    }

    /// Performs the TLS handshake over `tcp`.
    pub(crate) async fn accept(&self, mut tcp: Tcp) -> Result<SslStream<Tcp>, openssl::ssl::Error> {
        tcp.begin_handshake();
        let ssl = {
            let in_use = self.0.read();
            Ssl::new(in_use.acceptor.context())?
        };
        let mut stream = SslStream::new(ssl, tcp)?;
        Pin::new(&mut stream).accept().await?;
        stream.get_mut().end_handshake();
        Ok(stream)
    }
}

fn acceptor(files: &TlsFiles) -> Result<SslAcceptor, TlsError> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    let bad_certificate = |why: String| TlsError::Certificate(files.certificate.clone(), why);
    let bad_key = |why: String| TlsError::Key(files.key.clone(), why);
    // Read first, because OpenSSL's error for a missing file is hard to understand.
    read_file(&files.certificate, MAX_PEM_BYTES).map_err(|e| bad_certificate(e.to_string()))?;
    drop(Zeroizing::new(read_file(&files.key, MAX_PEM_BYTES).map_err(|e| bad_key(e.to_string()))?));
    builder.set_certificate_chain_file(&files.certificate).map_err(|e| bad_certificate(reason(&e)))?;
    builder.set_private_key_file(&files.key, SslFiletype::PEM).map_err(|e| bad_key(reason(&e)))?;
    builder.check_private_key().map_err(|e| bad_key(reason(&e)))?;
    // A client could renegotiate endlessly; OpenSSL forbids it by default only since version 3.
    builder.set_options(SslOptions::NO_RENEGOTIATION);
    // Sessions are resumed from the client's ticket; the server stores nothing for disconnected clients.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    // Idle connections hold no buffers.
    builder.set_mode(SslMode::RELEASE_BUFFERS);
    builder.set_alpn_select_callback(|_, offered| {
        select_next_proto(PROTOCOLS, offered).ok_or(AlpnError::ALERT_FATAL)
    });
    Ok(builder.build())
}

fn reason(errors: &ErrorStack) -> String {
    let mut reasons = errors.errors().iter().filter_map(|error| error.reason());
    reasons.next_back().unwrap_or("it cannot be read").to_string()
}
