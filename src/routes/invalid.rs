//! The answer to a parameter that is refused.

use crate::printable::escaped;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use std::fmt;

/// Maximum number of characters of a parameter's name that the answer shows.
const MAX_SHOWN: usize = 80;

/// A parameter that is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidParameter {
    pub(super) parameter: String,
    pub(super) message: String,
}

/// Refuses `parameter`; `message` says why.
pub(super) fn invalid(parameter: &str, message: &str) -> InvalidParameter {
    InvalidParameter { parameter: escaped(parameter, MAX_SHOWN).to_string(), message: message.into() }
}

impl fmt::Display for InvalidParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.parameter, self.message)
    }
}

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
