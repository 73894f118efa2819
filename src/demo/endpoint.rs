//! The common parts of the log's endpoints: counting and faults of each response, and the head.

use super::answer::DemoResponse;
use super::faults::{AnswerClass, Fault};
use super::log_state::LogState;
use crate::ct::merkle::Hash;
use crate::ct::sth::{SignedTreeHead, SthError};
use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpResponse, rt};
use std::time::Duration;

/// Responds to any path that the log does not have.
pub(super) async fn unknown_address(log: Data<LogState>) -> HttpResponse {
    answer(&log, AnswerClass::Other, |_| DemoResponse::not_found("there is nothing here")).await
}

/// Counts the request and responds to it, with a fault if one is due.
pub(super) async fn answer(
    log: &LogState,
    class: AnswerClass,
    make: impl FnOnce(Option<&Fault>) -> DemoResponse,
) -> HttpResponse {
    let _in_flight = log.counters.arrived(class);
    if log.exceeds_rate() {
        return DemoResponse::error(StatusCode::TOO_MANY_REQUESTS, "too many requests").into_response();
    }
    let Some(mut taken) = log.faults.take(class) else {
        return make(None).into_response();
    };
    match taken.fault {
        // An error would mean that the board no longer exists, so waiting would be pointless too.
        Fault::Hang => drop(taken.released.changed().await),
        Fault::Delay(time) => rt::time::sleep(time.min(Duration::from_secs(86_400))).await,
        _ => {}
    }
    make(Some(&taken.fault)).distorted(&taken.fault).into_response()
}

/// The newest head, or a faulty one.
pub(super) fn head(log: &LogState, fault: Option<&Fault>) -> Result<SignedTreeHead, SthError> {
    let mut head = log.store.head();
    match fault {
        Some(Fault::Lag) => return Ok(log.store.previous_head()),
        Some(Fault::Shrink(by)) => return log.store.shrunken_head(*by),
        Some(Fault::WrongRoot) => {
            return log.store.sign(head.timestamp_ms, head.tree_size, changed(head.root_hash));
        }
        Some(Fault::BadSignature) => {
            // Changes the last byte of the ECDSA signature's s, so the signature stays well-formed but is
            // wrong.
            if let Some(last) = head.tree_head_signature.last_mut() {
                *last ^= 1;
            }
        }
        _ => {}
    }
    Ok(head)
}

/// A different hash.
pub(super) fn changed(hash: Hash) -> Hash {
    hash.map(|byte| !byte)
}
