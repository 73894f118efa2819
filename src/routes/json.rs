//! The newest messages as JSON.

use super::answers::{Unavailable, json_answer, no_broker};
use super::state::AppState;
use super::visitors::may_hear;
use crate::actors::broker::Newest;
use crate::message::{CertEntry, Stream};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use std::sync::Arc;

/// `/latest.json`: the newest full messages, oldest first.
pub(super) async fn latest(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    may_hear(&req, &state, Stream::Full)?;
    let make = async {
        let mut body = br#"{"messages":["#.to_vec();
        for (i, message) in newest(&state).await?.iter().filter_map(|e| e.json(Stream::Full)).enumerate() {
            if i > 0 {
                body.push(b',');
            }
            body.extend(message);
        }
        body.extend(b"]}");
        Ok::<_, actix_web::Error>((StatusCode::OK, body.into()))
    };
    Ok(json_answer(state.answers.latest.get(make).await?))
}

/// `/example.json`: the newest message of `stream`, `{}` before the first.
pub(super) async fn example(
    stream: Stream,
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    may_hear(&req, &state, stream)?;
    let make = async {
        let newest = newest(&state).await?;
        let example =
            newest.iter().rev().find_map(|entry| entry.json(stream)).unwrap_or_else(|| b"{}".to_vec());
        Ok::<_, actix_web::Error>((StatusCode::OK, example.into()))
    };
    Ok(json_answer(state.answers.examples[stream].get(make).await?))
}

pub(super) async fn newest(state: &AppState) -> Result<Vec<Arc<CertEntry>>, Unavailable> {
    state.broker.send(Newest).await.map_err(no_broker)
}
