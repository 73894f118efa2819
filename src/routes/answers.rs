//! Answers of more than one route.

use super::on_demand::StatusAndBody;
use actix_web::HttpResponse;
use actix_web::http::header;

/// One that pages of any origin may read.
pub(super) fn json_answer((status, body): StatusAndBody) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(body)
}

/// To what is no route.
pub(super) async fn not_found() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("404: Not Found")
}
