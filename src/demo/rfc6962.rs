//! The log's endpoint of RFC 6962 section 4: get-sth, get-sth-consistency, get-entries and get-roots over HTTP.

use super::answer::DemoResponse;
use super::endpoint::{answer, changed, head};
use super::entry::{TIMESTAMPED_ENTRY_OFFSET, change_timestamp};
use super::faults::{AnswerClass, Fault};
use super::log_state::LogState;
use super::store::StoredEntry;
use crate::ct::merkle::Hash;
use crate::ct::proof_json;
use actix_web::http::StatusCode;
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use base64_simd::STANDARD;
use std::sync::Arc;

pub(super) fn routes(service: &mut ServiceConfig) {
    service
        .route("/ct/v1/get-sth", web::get().to(get_sth))
        .route("/ct/v1/get-sth-consistency", web::get().to(get_sth_consistency))
        .route("/ct/v1/get-entries", web::get().to(get_entries))
        .route("/ct/v1/get-roots", web::get().to(get_roots));
}

async fn get_sth(log: Data<LogState>) -> HttpResponse {
    answer(&log, AnswerClass::Head, |fault| match head(&log, fault) {
        Ok(head) => DemoResponse::json(head.to_json().into_bytes()),
        Err(error) => DemoResponse::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    })
    .await
}

async fn get_sth_consistency(log: Data<LogState>, request: HttpRequest) -> HttpResponse {
    answer(&log, AnswerClass::Proof, |fault| {
        proof(&log, request.query_string(), fault).unwrap_or_else(refused)
    })
    .await
}

async fn get_entries(log: Data<LogState>, request: HttpRequest) -> HttpResponse {
    answer(&log, AnswerClass::Page, |fault| page(&log, request.query_string(), fault).unwrap_or_else(refused))
        .await
}

/// Submitters use get-roots, so logs with other reading protocols have it too.
pub(super) async fn get_roots(log: Data<LogState>) -> HttpResponse {
    answer(&log, AnswerClass::Other, |_| {
        let roots: Vec<String> = log.roots.iter().map(|root| STANDARD.encode_to_string(root)).collect();
        DemoResponse::json(serde_json::json!({ "certificates": roots }).to_string().into_bytes())
    })
    .await
}

fn refused(message: String) -> DemoResponse {
    DemoResponse::error(StatusCode::BAD_REQUEST, &message)
}

/// A get-sth-consistency response, or the reason for an error.
fn proof(log: &LogState, query: &str, fault: Option<&Fault>) -> Result<DemoResponse, String> {
    let (first, second) = (parameter(query, "first")?, parameter(query, "second")?);
    if let Some(refusal) = log.defects.lock().refuse_proof(second) {
        return Ok(refusal);
    }
    let mut proof = log.store.consistency_proof(first, second).map_err(|error| error.to_string())?;
    if fault == Some(&Fault::WrongProof) {
        let middle = proof.len() / 2;
        match proof.get_mut(middle) {
            Some(hash) => *hash = changed(*hash),
            None => proof.push(Hash::default()),
        }
    }
    Ok(DemoResponse::json(proof_json::to_json(&proof).into_bytes()))
}

/// A get-entries response, or the reason for an error.
fn page(log: &LogState, query: &str, fault: Option<&Fault>) -> Result<DemoResponse, String> {
    let (start, end) = (parameter(query, "start")?, parameter(query, "end")?);
    let defects = log.defects.lock().clone();
    if let Some(refusal) = defects.refuse_count(end.saturating_sub(start).saturating_add(1)) {
        return Ok(refusal);
    }
    let max = match fault {
        Some(Fault::Short(count)) => (*count).clamp(1, log.max_page),
        _ => log.max_page,
    };
    let entries = match fault {
        Some(Fault::Empty) => Vec::new(),
        _ => log.store.range(start, end, max).map_err(|error| error.to_string())?,
    };
    let body = encode_page(&entries, fault);
    let refusal = defects.refuse_entries(start..start.saturating_add(entries.len() as u64));
    if let Some(refusal) = refusal.or_else(|| defects.refuse_bytes(body.len())) {
        return Ok(refusal);
    }
    let number = log.stats().entries_requests;
    if fault.is_none_or(Fault::leaves_content_whole) && !defects.cuts(number) {
        log.counters.served(&entries);
    }
    Ok(defects.sent(DemoResponse::json(body), number))
}

/// A query parameter: decimal digits, exactly once.
fn parameter(query: &str, name: &str) -> Result<u64, String> {
    let mut values = query.split('&').filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let value = values.next().ok_or_else(|| format!("the parameter {name:?} is missing"))?;
    if values.next().is_some() {
        return Err(format!("the parameter {name:?} is given more than once"));
    }
    // `parse` alone would allow a sign.
    let digits = Some(value).filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("the parameter {name:?} is not an integer from 0 to 2^64-1"))
}

/// The JSON of RFC 6962 section 4.6. Base64 is encoded for each response and not stored: encoding it is
/// cheaper than keeping a third more of every entry and chain in memory.
fn encode_page(entries: &[Arc<StoredEntry>], fault: Option<&Fault>) -> Vec<u8> {
    let mut body = Vec::with_capacity(16 + entries.len() * 5_000);
    let mut extra_data = Vec::new();
    body.extend_from_slice(b"{\"entries\":[");
    for (position, entry) in entries.iter().enumerate() {
        if position > 0 {
            body.push(b',');
        }
        body.extend_from_slice(b"{\"leaf_input\":\"");
        match fault {
            Some(Fault::GarbageEntry) if position == 0 => {
                body.extend_from_slice(b"*not*base64*");
                STANDARD.encode_append(&entry.leaf_input, &mut body);
            }
            Some(Fault::WrongEntry) if position == entries.len() / 2 => {
                STANDARD.encode_append(with_another_timestamp(&entry.leaf_input), &mut body);
            }
            _ => STANDARD.encode_append(&entry.leaf_input, &mut body),
        }
        body.extend_from_slice(b"\",\"extra_data\":\"");
        extra_data.clear();
        entry.write_extra_data(&mut extra_data);
        STANDARD.encode_append(&extra_data, &mut body);
        body.extend_from_slice(b"\"}");
    }
    body.extend_from_slice(b"]}");
    body
}

fn with_another_timestamp(leaf_input: &[u8]) -> Vec<u8> {
    let mut leaf = leaf_input.to_vec();
    change_timestamp(leaf.get_mut(TIMESTAMPED_ENTRY_OFFSET..).unwrap_or_default());
    leaf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_plain_decimal_numbers_given_once() {
        assert_eq!(parameter("start=0&end=18446744073709551615", "end"), Ok(u64::MAX));
        assert_eq!(parameter("other&start=7&", "start"), Ok(7));
        for query in [
            "",
            "start",
            "start=",
            "start=-1",
            "start=+1",
            "start=1.0",
            "start=0x1",
            "start=%31",
            "start= 1",
            "start=1&start=1",
            "start=18446744073709551616",
            "restart=1",
            "start2=1",
        ] {
            assert!(parameter(query, "start").unwrap_err().contains("\"start\""), "{query}");
        }
    }
}
