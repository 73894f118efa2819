//! An HTTP response before it is sent, and the faults that apply to any response, whatever its content.

use super::faults::Fault;
use super::gzip;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, RETRY_AFTER};
use actix_web::{HttpResponse, rt};
use bytes::Bytes;
use serde_json::json;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Delay after the first half of a truncated response, so that it reaches the network.
const CUT_AFTER: Duration = Duration::from_millis(20);

pub(super) struct DemoResponse {
    status: StatusCode,
    content_type: &'static str,
    encoding: Encoding,
    cache_control: Option<&'static str>,
    /// The ETag with its quotation marks.
    etag: Option<String>,
    retry_after_s: Option<u64>,
    body: Vec<u8>,
    /// Whether the connection is closed after half of the body.
    cut: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Identity,
    /// The body is compressed when it is sent.
    Gzip,
    /// The body is already compressed.
    Packed,
}

impl DemoResponse {
    pub(super) fn ok(content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status: StatusCode::OK,
            content_type,
            encoding: Encoding::Identity,
            cache_control: None,
            etag: None,
            retry_after_s: None,
            body,
            cut: false,
        }
    }

    pub(super) fn json(body: Vec<u8>) -> Self {
        Self::ok("application/json", body)
    }

    /// An error in the format of most logs.
    pub(super) fn error(status: StatusCode, message: &str) -> Self {
        let body = json!({"error_message": message, "success": false}).to_string();
        Self { status, ..Self::json(body.into_bytes()) }
    }

    /// A file server's response for a missing file.
    pub(super) fn not_found(reason: &str) -> Self {
        Self { status: StatusCode::NOT_FOUND, ..Self::ok("text/plain", format!("{reason}\n").into_bytes()) }
    }

    /// Sets the Cache-Control header.
    pub(super) fn cached(self, cache_control: &'static str) -> Self {
        Self { cache_control: Some(cache_control), ..self }
    }

    pub(super) fn tagged(self, etag: String) -> Self {
        Self { etag: Some(etag), ..self }
    }

    /// Compresses the body if the client `accepts_gzip`.
    pub(super) fn gzipped(self, accepts_gzip: bool) -> Self {
        let encoding = if accepts_gzip { Encoding::Gzip } else { Encoding::Identity };
        Self { encoding, ..self }
    }

    /// The response to a client whose copy is current.
    pub(super) fn not_modified(self) -> Self {
        Self { status: StatusCode::NOT_MODIFIED, body: Vec::new(), ..self }
    }

    fn refusal(status: StatusCode, retry_after_s: Option<u64>) -> Self {
        let body = b"fault switched on in the demo log\n".to_vec();
        Self { status, retry_after_s, ..Self::ok("text/plain", body) }
    }

    /// Applies `fault` to the response.
    pub(super) fn distorted(mut self, fault: &Fault) -> Self {
        match fault {
            Fault::TooManyRequests { retry_after_s } => {
                return Self::refusal(StatusCode::TOO_MANY_REQUESTS, Some(*retry_after_s));
            }
            Fault::Status(code) => {
                let status = StatusCode::from_u16(*code).ok();
                // A 1xx status would not be a final response, and the HTTP library accepts statuses up to
                // 999.
                let status = status.filter(|status| (200..600).contains(&status.as_u16()));
                return Self::refusal(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), None);
            }
            Fault::Truncate => self.body.truncate(self.body.len() / 2),
            Fault::Cut => self.cut = true,
            Fault::Garbage => {
                let garbage = b"<html>this is not the JSON you are looking for</html>\n";
                self.body = garbage.iter().copied().cycle().take(self.body.len()).collect();
            }
            Fault::GzipBomb => {
                self.body = gzip::bomb().to_vec();
                self.encoding = Encoding::Packed;
            }
            Fault::Hang
            | Fault::Delay(_)
            | Fault::Short(_)
            | Fault::Empty
            | Fault::GarbageEntry
            | Fault::WrongRoot
            | Fault::BadSignature
            | Fault::Shrink(_)
            | Fault::Lag
            | Fault::WrongProof
            | Fault::WrongEntry
            | Fault::WiderTile
            | Fault::NarrowerTile
            | Fault::MissingPartial
            | Fault::UnknownEntryType
            | Fault::WrongLeafIndex
            | Fault::WrongIssuer => {}
        }
        self
    }

    pub(super) fn into_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(cache_control) = self.cache_control {
            response.insert_header((CACHE_CONTROL, cache_control));
        }
        if let Some(etag) = self.etag {
            response.insert_header((ETAG, etag));
        }
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((RETRY_AFTER, seconds));
        }
        if self.status == StatusCode::NOT_MODIFIED {
            return response.finish();
        }
        response.insert_header((CONTENT_TYPE, self.content_type));
        if self.encoding != Encoding::Identity {
            response.insert_header((CONTENT_ENCODING, "gzip"));
        }
        let body = if self.encoding == Encoding::Gzip { gzip::compressed(&self.body) } else { self.body };
        if self.cut { response.body(BoxBody::new(CutBody::new(body))) } else { response.body(body) }
    }
}

/// A body that declares its whole length, sends half of it, and then fails.
struct CutBody {
    declared: u64,
    sent: Option<Bytes>,
    /// Without a pause, the server closes the connection while the first half is still in its buffer.
    pause: Pin<Box<rt::time::Sleep>>,
}

impl CutBody {
    fn new(mut body: Vec<u8>) -> Self {
        let declared = body.len() as u64;
        body.truncate(body.len() / 2);
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
