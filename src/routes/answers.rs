//! Answers that several routes use.

use super::on_demand::StatusAndBody;
use actix::MailboxError;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

/// A JSON answer that pages of any origin may read.
pub(super) fn json_answer((status, body): StatusAndBody) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .body(body)
}

/// The answer if something cannot be had now. Pages of any origin may read it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unavailable(pub(super) &'static str);

impl ResponseError for Unavailable {
    fn status_code(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code())
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .json(serde_json::json!({ "error": self.0 }))
    }
}

/// The answer if the Broker does not answer, because the server stops.
pub(super) fn no_broker(_: MailboxError) -> Unavailable {
    Unavailable("the server is stopping")
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
