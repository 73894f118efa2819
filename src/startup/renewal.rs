//! Renewed certificates of the server.

use crate::transport::Tls;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Interval between checks of the certificate's files.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);

/// Loads a new certificate when its files change: the programs that renew certificates do not notify the server.
pub(super) async fn keep_renewed(tls: Arc<Tls>) {
    let (mut known, mut told) = (tls.file_times(), None);
    loop {
        sleep(RENEWAL_INTERVAL).await;
        let times = tls.file_times();
        if times == known {
            continue;
        }
        match tls.replace(tls.files()) {
            Ok(()) => {
                log::info!("TLS: the certificate was replaced; new connections use it");
                known = times;
            }
            // One of the two files may not have been written yet.
            Err(error) if told.as_ref() != Some(&times) => {
                log::warn!("{error}; keeping the previous certificate");
                told = Some(times);
            }
            Err(_) => {}
        }
    }
}
