//! The body of a request. It is read only as fast as its route asks for it, so a route that refuses the request, or does
//! not use a body, reads nothing.

use actix_http::error::PayloadError;
use actix_web::dev::Payload;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;

/// A part of a body.
enum Part {
    Bytes(Bytes),
    End,
}

/// The connection's side of a body.
pub(super) struct BodyFeed {
    wanted: mpsc::Receiver<()>,
    parts: mpsc::Sender<Part>,
}

/// The route's side of a body.
struct Body {
    want: mpsc::Sender<()>,
    parts: mpsc::Receiver<Part>,
}

/// A body, and where it comes from. The route sees an incomplete body if the feed is dropped before its end.
pub(super) fn body() -> (BodyFeed, Payload) {
    let ((want, wanted), (sender, parts)) = (mpsc::channel(1), mpsc::channel(1));
    let items = stream::unfold(Some(Body { want, parts }), |body| async {
        let mut body = body?;
        // If the feed is gone, so are its parts.
        let _ = body.want.send(()).await;
        match body.parts.recv().await {
            Some(Part::Bytes(bytes)) => Some((Ok(bytes), Some(body))),
            Some(Part::End) => None,
            None => Some((Err(PayloadError::Incomplete(None)), None)),
        }
    });
    (BodyFeed { wanted, parts: sender }, Payload::from(Box::pin(items) as actix_http::BoxedPayloadStream))
}

impl BodyFeed {
    /// Waits until the route asks for more. Returns false if it never will.
    pub(super) async fn is_wanted(&mut self) -> bool {
        self.wanted.recv().await.is_some()
    }

    /// Gives the route what it asked for.
    pub(super) async fn give(&self, bytes: Bytes) {
        // A route that has gone asks for nothing more.
        let _ = self.parts.send(Part::Bytes(bytes)).await;
    }

    /// The body is complete.
    pub(super) async fn end(self) {
        let _ = self.parts.send(Part::End).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    #[actix_web::test]
    async fn a_body_is_complete_only_if_its_feed_says_so() {
        for is_complete in [true, false] {
            let (mut feed, mut payload) = body();
            let feeding = async {
                for part in ["one", "two"] {
                    assert!(feed.is_wanted().await);
                    feed.give(Bytes::from_static(part.as_bytes())).await;
                }
                assert!(feed.is_wanted().await);
                if is_complete {
                    feed.end().await;
                }
            };
            let reading = async {
                let mut parts = Vec::new();
                while let Some(part) = payload.next().await {
                    parts.push(part.ok());
                }
                parts
            };
            let ((), parts) = tokio::join!(feeding, reading);
            let mut expected = vec![Some(Bytes::from_static(b"one")), Some(Bytes::from_static(b"two"))];
            expected.extend((!is_complete).then_some(None));
            assert_eq!(parts, expected);
        }
    }

    #[actix_web::test]
    async fn nothing_is_wanted_of_a_body_that_nobody_reads() {
        let (mut feed, payload) = body();
        drop(payload);
        assert!(!feed.is_wanted().await);
    }
}
