//! The log's static-ct-api endpoint: checkpoint, tiles and issuers over HTTP, and the subset of it that
//! hybrid logs have.

use super::DemoProtocol;
use super::answer::DemoResponse;
use super::checkpoint::checkpoint;
use super::endpoint::{answer, changed, head};
use super::faults::{AnswerClass, Fault};
use super::log_state::LogState;
use super::rfc6962;
use super::tile::{self, TileContent, TileName};
use crate::ct::hash_tile::HashTile;
use crate::ct::merkle::Hash;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, IF_NONE_MATCH};
use actix_web::web::{self, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use hex_simd::AsciiCase;
use openssl::sha::sha256;

/// For data that never changes: everything except the checkpoint.
const IMMUTABLE: &str = "public, max-age=604800, immutable";

/// The response may be cached but must be revalidated each time.
const REVALIDATE: &str = "no-cache";

pub(super) fn routes(service: &mut ServiceConfig) {
    service.route("/checkpoint", web::get().to(get_checkpoint));
    service.route("/ct/v1/get-roots", web::get().to(rfc6962::get_roots));
    tile_routes(service);
}

pub(super) fn hybrid_routes(service: &mut ServiceConfig) {
    rfc6962::routes(service);
    tile_routes(service);
}

fn tile_routes(service: &mut ServiceConfig) {
    service
        .route("/tile/{name:.*}", web::get().to(get_tile))
        .route("/issuer/{fingerprint}", web::get().to(get_issuer));
}

async fn get_checkpoint(log: Data<LogState>, request: HttpRequest) -> HttpResponse {
    answer(&log, AnswerClass::Head, |fault| {
        let note = match head(&log, fault) {
            Ok(head) => checkpoint(&log.origin, &log.log_id(), &head),
            Err(error) => return DemoResponse::error(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
        };
        let etag = etag(&note);
        // A 304 response has no body, so a fault that changes the content needs a full response.
        let known = fault.is_none_or(Fault::leaves_content_whole) && is_known(&request, &etag);
        let whole =
            DemoResponse::ok("text/plain; charset=utf-8", note.into_bytes()).cached(REVALIDATE).tagged(etag);
        if known {
            log.counters.unmodified();
            return whole.not_modified();
        }
        whole
    })
    .await
}

async fn get_tile(log: Data<LogState>, request: HttpRequest, name: Path<String>) -> HttpResponse {
    let static_ct = log.protocol == DemoProtocol::StaticCt;
    match TileName::parse(&name) {
        Some(name) if name.content == TileContent::Data => {
            let leaf_index = static_ct;
            let class = AnswerClass::DataTile { partial: name.is_partial(), leaf_index };
            let accepts_gzip = accepts_gzip(&request);
            answer(&log, class, |fault| data_tile(&log, name, fault).gzipped(accepts_gzip)).await
        }
        Some(name) if name.content == TileContent::Names && log.names_tiles => {
            let accepts_gzip = accepts_gzip(&request);
            answer(&log, AnswerClass::Names, |_| names_tile(&log, name).gzipped(accepts_gzip)).await
        }
        Some(TileName { content: TileContent::Hashes { level }, index, width }) if static_ct => {
            let tile = HashTile { level, index, width };
            answer(&log, AnswerClass::Proof, |fault| hash_tile(&log, tile, fault)).await
        }
        _ => answer(&log, AnswerClass::Other, |_| DemoResponse::not_found("no such tile")).await,
    }
}

async fn get_issuer(log: Data<LogState>, fingerprint: Path<String>) -> HttpResponse {
    answer(&log, AnswerClass::Generator, |fault| issuer(&log, &fingerprint, fault)).await
}

fn data_tile(log: &LogState, name: TileName, fault: Option<&Fault>) -> DemoResponse {
    let missing = fault == Some(&Fault::MissingPartial);
    if name.is_partial() && (missing || log.protocol == DemoProtocol::Hybrid) {
        return DemoResponse::not_found("no partial tiles");
    }
    let count = u64::from(name.width);
    let Some(start) = name.first_entry() else {
        return DemoResponse::not_found("beyond any tree");
    };
    if let Some(refusal) = log.defects.lock().refuse_entries(start..start + count) {
        return refusal;
    }
    let mut entries = match log.store.exactly(start, count) {
        Ok(entries) => entries,
        Err(error) => return DemoResponse::not_found(&error.to_string()),
    };
    match fault {
        Some(Fault::WiderTile) => {
            entries.extend(log.store.entry(start + count).or_else(|| entries.last().cloned()));
        }
        Some(Fault::NarrowerTile) => drop(entries.pop()),
        Some(Fault::Empty) => entries.clear(),
        _ => {}
    }
    let (number, defects) = (log.stats().entries_requests, log.defects.lock().clone());
    if fault.is_none_or(Fault::leaves_content_whole) && !defects.cuts(number) {
        log.counters.served(&entries);
    }
    let tile = DemoResponse::ok("application/octet-stream", tile::data(&entries, fault)).cached(IMMUTABLE);
    defects.sent(tile, number)
}

fn names_tile(log: &LogState, name: TileName) -> DemoResponse {
    let Some(start) = name.first_entry() else {
        return DemoResponse::not_found("beyond any tree");
    };
    match log.store.exactly(start, name.width.into()) {
        Ok(entries) => {
            DemoResponse::ok("application/jsonl; charset=utf-8", tile::names(&entries)).cached(IMMUTABLE)
        }
        Err(error) => DemoResponse::not_found(&error.to_string()),
    }
}

fn hash_tile(log: &LogState, tile: HashTile, fault: Option<&Fault>) -> DemoResponse {
    let Some(mut hashes) = log.store.hash_tile(tile) else {
        return DemoResponse::not_found("beyond the tree");
    };
    if fault == Some(&Fault::WrongProof) {
        hashes.iter_mut().for_each(|hash| *hash = changed(*hash));
    }
    DemoResponse::ok("application/octet-stream", hashes.concat()).cached(IMMUTABLE)
}

fn issuer(log: &LogState, fingerprint: &str, fault: Option<&Fault>) -> DemoResponse {
    if let Some(refusal) = log.defects.lock().refuse_issuer() {
        return refusal;
    }
    let found = log.issuers.iter().find(|(hash, _)| hex(hash.as_slice()) == fingerprint);
    let Some((wanted, certificate)) = found else {
        return DemoResponse::not_found("no such issuer");
    };
    let certificate = match fault {
        Some(Fault::WrongIssuer) => other_issuer(log, wanted),
        _ => certificate.to_vec(),
    };
    DemoResponse::ok("application/pkix-cert", certificate).cached(IMMUTABLE)
}

/// Any certificate except the requested one. There are always at least a root and an intermediate.
fn other_issuer(log: &LogState, wanted: &Hash) -> Vec<u8> {
    let other = log.issuers.iter().find(|(hash, _)| *hash != wanted);
    other.map(|(_, certificate)| certificate.to_vec()).unwrap_or_default()
}

/// The ETag covers the whole text, so a faulty checkpoint has a different one.
fn etag(note: &str) -> String {
    format!("\"{}\"", hex(&sha256(note.as_bytes())[..16]))
}

/// Whether the client's copy matches `etag` (RFC 9110 section 13.1.2).
fn is_known(request: &HttpRequest, etag: &str) -> bool {
    let values = request.headers().get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
}

/// Whether the client accepts gzip (RFC 9110 section 12.5.3). A lone `*` does not count.
fn accepts_gzip(request: &HttpRequest) -> bool {
    let values = request.headers().get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight: Option<f32> = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_none_or(|weight| weight > 0.0)
    })
}

fn hex(bytes: &[u8]) -> String {
    hex_simd::encode_to_string(bytes, AsciiCase::Lower)
}
