//! Answers that several routes use.

use super::on_demand::StatusAndBody;
use actix_web::HttpResponse;
use actix_web::http::header;

/// A JSON answer that pages of any origin may read.
pub(super) fn json_answer((status, body): StatusAndBody) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(body)
}

/// The answer to other methods than POST.
pub(super) async fn only_post() -> HttpResponse {
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, "POST, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .json(serde_json::json!({ "error": "only POST is allowed here" }))
}

/// The answer to unknown paths.
pub(super) async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("404: Not Found")
}
