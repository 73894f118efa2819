//! An HTTP answer before it is sent, and what the faults that need not understand it do to it.

use super::faults::Fault;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpResponse, rt};
use bytes::Bytes;
use serde_json::json;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a cut answer's first half is given to reach the network.
const CUT_AFTER: Duration = Duration::from_millis(20);

pub struct Answer {
    status: StatusCode,
    content_type: &'static str,
    retry_after_s: Option<u64>,
    body: Vec<u8>,
    /// How much of the body is sent before the connection is dropped.
    cut_at: Option<usize>,
}

impl Answer {
    pub fn json(body: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type: "application/json",
            retry_after_s: None,
            body,
            cut_at: None,
        }
    }

    /// An error in the form that most logs have given it.
    pub fn error(status: StatusCode, message: &str) -> Self {
        let body = json!({"error_message": message, "success": false}).to_string();
        Self { status, ..Self::json(body.into_bytes()) }
    }

    fn refusal(status: StatusCode, retry_after_s: Option<u64>) -> Self {
        let body = b"fault switched on in the demo log\n".to_vec();
        Self { status, content_type: "text/plain", retry_after_s, ..Self::json(body) }
    }

    /// What becomes of the answer when it shows `fault`.
    pub fn distorted(mut self, fault: &Fault) -> Self {
        let half = self.body.len() / 2;
        match fault {
            Fault::TooManyRequests { retry_after_s } => {
                return Self::refusal(StatusCode::TOO_MANY_REQUESTS, Some(*retry_after_s));
            }
            Fault::Status(code) => {
                let status = StatusCode::from_u16(*code).ok();
                // 1xx would be no final answer, and the HTTP library takes anything up to 999.
                let status = status.filter(|status| (200..600).contains(&status.as_u16()));
                return Self::refusal(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), None);
            }
            Fault::Truncate => self.body.truncate(half),
            Fault::Cut => self.cut_at = Some(half),
            Fault::Garbage => {
                let garbage = b"<html>this is not the JSON you are looking for</html>\n";
                self.body = garbage.iter().copied().cycle().take(self.body.len()).collect();
            }
            Fault::Hang
            | Fault::Delay(_)
            | Fault::Short(_)
            | Fault::Empty
            | Fault::GarbageEntry
            | Fault::WrongRoot
            | Fault::BadSignature
            | Fault::Shrink(_) => {}
        }
        self
    }

    pub fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CONTENT_TYPE, self.content_type));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, seconds));
        }
        match self.cut_at {
            None => response.body(self.body),
            Some(at) => response.body(BoxBody::new(CutBody::new(self.body, at))),
        }
    }
}

/// A body that declares its whole length, sends some of it, and fails.
struct CutBody {
    declared: u64,
    sent: Option<Bytes>,
    /// Without a pause the server drops the connection with the sent part still in its buffer.
    pause: Pin<Box<rt::time::Sleep>>,
}

impl CutBody {
    fn new(mut body: Vec<u8>, at: usize) -> Self {
        let declared = body.len() as u64;
        body.truncate(at);
        Self { declared, sent: Some(body.into()), pause: Box::pin(rt::time::sleep(CUT_AFTER)) }
    }
}

impl MessageBody for CutBody {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.declared)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(part) = self.sent.take() {
            return Poll::Ready(Some(Ok(part)));
        }
        self.pause.as_mut().poll(context).map(|()| Some(Err(std::io::Error::other("cut off on purpose"))))
    }
}
