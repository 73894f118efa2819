//! What is sent and received, for machines: JSON Schemas (draft 2020-12), the HTTP routes as an OpenAPI document, and the
//! streams as an AsyncAPI document. `scripts/contracts.sh` compares them with what the server sends.

#[cfg(test)]
mod tests;

use super::answers::{json_answer, not_found};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, EntityTag, Header, IfNoneMatch};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use openssl::sha::sha256;
use std::sync::LazyLock;

/// How long clients may use a document without asking again.
const CACHE_CONTROL: &str = "public, max-age=3600";

/// A document.
struct Document {
    name: &'static str,
    text: &'static str,
    /// Its hash.
    tag: EntityTag,
}

impl Document {
    fn new(name: &'static str, text: &'static str) -> Self {
        let tag = EntityTag::new_strong(hex_simd::encode_to_string(
            sha256(text.as_bytes()),
            hex_simd::AsciiCase::Lower,
        ));
        Document { name, text, tag }
    }

    /// The document, unless the client has it already.
    fn answer(&self, req: &HttpRequest) -> HttpResponse {
        let mut answer = match IfNoneMatch::parse(req) {
            Ok(known) if self.is_in(&known) => {
                HttpResponse::NotModified().insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")).finish()
            }
            _ => json_answer((StatusCode::OK, Bytes::from_static(self.text.as_bytes()))),
        };
        answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static(CACHE_CONTROL));
        if let Ok(tag) = header::HeaderValue::try_from(self.tag.to_string()) {
            answer.headers_mut().insert(header::ETAG, tag);
        }
        answer
    }

    /// Whether `known` has its tag (RFC 9110 section 13.1.2).
    fn is_in(&self, known: &IfNoneMatch) -> bool {
        match known {
            IfNoneMatch::Any => true,
            IfNoneMatch::Items(tags) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
        }
    }
}

/// The schemas with these names.
macro_rules! schemas {
    ($($name:literal),+) => { [$(Document::new($name, include_str!(concat!("schemas/", $name)))),+] };
}

static OPEN_API: LazyLock<Document> =
    LazyLock::new(|| Document::new("openapi.json", include_str!("openapi.json")));

static ASYNC_API: LazyLock<Document> =
    LazyLock::new(|| Document::new("asyncapi.json", include_str!("asyncapi.json")));

static SCHEMAS: LazyLock<[Document; 25]> = LazyLock::new(|| {
    schemas!(
        "certificate.json",
        "certificate_update.json",
        "certificate_update_lite.json",
        "dns_entries.json",
        "error.json",
        "example.json",
        "filter.json",
        "gap.json",
        "health.json",
        "heartbeat.json",
        "invalid_parameter.json",
        "kept_filter.json",
        "latest.json",
        "log_alert.json",
        "log_stats.json",
        "matched.json",
        "message.json",
        "ready.json",
        "source.json",
        "stats.json",
        "stats_admin.json",
        "status.json",
        "stream_query.json",
        "subscribed.json",
        "webhook_delivery.json"
    )
});

/// `/openapi.json`: the HTTP routes.
pub(super) async fn open_api(req: HttpRequest) -> HttpResponse {
    OPEN_API.answer(&req)
}

/// `/asyncapi.json`: the streams.
pub(super) async fn async_api(req: HttpRequest) -> HttpResponse {
    ASYNC_API.answer(&req)
}

/// `/schemas/<name>`: a schema.
pub(super) async fn schema(req: HttpRequest, name: web::Path<String>) -> HttpResponse {
    match SCHEMAS.iter().find(|schema| schema.name == name.as_str()) {
        Some(schema) => schema.answer(&req),
        None => not_found().await,
    }
}
