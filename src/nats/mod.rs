//! Connections to NATS: TLS by the product's own OpenSSL, and how this server shows who it is.

#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod error;
mod tls;

use crate::config::NatsConfig;
use async_nats::ConnectOptions;
use error::NatsFileError;
use percent_encoding::percent_decode_str;
use std::path::Path;

/// How to connect to the servers of `config`, as the client `name`.
///
/// # Errors
/// If a file cannot be used.
pub(crate) async fn options(config: &NatsConfig, name: &str) -> Result<ConnectOptions, NatsFileError> {
    let options = ConnectOptions::new()
        .name(name)
        .tls_client_config(tls::client(config)?)
        .require_tls(config.tls_ca.is_some() || config.tls_identity.is_some());
    let in_url = config.url.iter().find_map(|url| credentials(url));
    let options = match (&config.user, in_url) {
        (Some((user, password)), _) => options.user_and_password(user.clone(), password.reveal().into()),
        (None, Some((user, Some(password)))) => options.user_and_password(user, password),
        (None, Some((token, None))) => options.token(token),
        (None, None) => options,
    };
    match &config.credentials {
        Some(path) => with_credentials(options, path).await,
        None => Ok(options),
    }
}

/// The URLs of the servers, as they may be written to the log file.
pub(crate) fn shown_urls(config: &NatsConfig) -> String {
    config.url.iter().map(|url| without_credentials(url)).collect::<Vec<_>>().join(", ")
}

/// The user and the password in a URL, or the token. They are percent-encoded there.
fn credentials(url: &str) -> Option<(String, Option<String>)> {
    let (_, rest) = url.split_once("://")?;
    let (credentials, _) = rest.rsplit_once('@')?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    Some(match credentials.split_once(':') {
        Some((user, password)) => (decoded(user), Some(decoded(password))),
        None => (decoded(credentials), None),
    })
}

#[cfg(feature = "nats-credentials")]
async fn with_credentials(options: ConnectOptions, path: &Path) -> Result<ConnectOptions, NatsFileError> {
    options.credentials_file(path).await.map_err(|error| NatsFileError::new("credentials", path, error))
}

#[cfg(not(feature = "nats-credentials"))]
async fn with_credentials(_: ConnectOptions, path: &Path) -> Result<ConnectOptions, NatsFileError> {
    let why = "this program was built without credentials files; build it with --features nats-credentials, or give user and \
               password, or a token";
    Err(NatsFileError::new("credentials", path, why))
}

/// A URL that may be written to the log file.
fn without_credentials(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => url.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_those_of_the_url() {
        let some = |user: &str, password: Option<&str>| Some((user.into(), password.map(String::from)));
        for (url, expected) in [
            ("nats://user:p%40ss%3a@host:4222", some("user", Some("p@ss:"))),
            ("nats://token@host:4222", some("token", None)),
            ("tls://host:4222", None),
        ] {
            assert_eq!(credentials(url), expected);
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        for (url, shown) in [
            ("nats://user:p@ss@host:4222", "nats://host:4222"),
            ("tls://token@[::1]:4222", "tls://[::1]:4222"),
            ("nats://host", "nats://host"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
