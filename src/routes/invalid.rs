//! The answer to a parameter that is refused.

use crate::choice::InvalidParameter;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};

impl ResponseError for InvalidParameter {
    fn status_code(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }

    /// The parameter and what is wrong with it. Pages of any origin may read it.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code())
            .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
            .json(serde_json::json!({
                "error": "invalid_parameter", "parameter": self.parameter, "message": self.message }))
    }
}
