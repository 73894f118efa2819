//! `/filters`: filters that are too long for a URL; and the named filters that a client asks for.

use super::answers::Unavailable;
use super::body::{BodyError, MAX_BODY};
use super::state::AppState;
use super::visitors::{filter_limits, refused};
use crate::access::Refusal;
use crate::actors::client::Identity;
use crate::choice::{InvalidParameter, invalid};
use crate::clock;
use crate::filter::{Filter, Limits};
use crate::named_filters::{Found, Kept, NamedFilter, NoRoom, PREFIX, is_kept_name};
use crate::printable::escaped;
use actix_web::http::header;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use chrono::{DateTime, SecondsFormat};
use std::sync::Arc;

/// Maximum number of characters of a filter's name that an answer shows.
const MAX_SHOWN: usize = 80;

/// `POST /filters`: keeps the filter in the body, and names it.
pub(super) async fn put(
    req: HttpRequest,
    payload: web::Payload,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Error> {
    let limits = filter_limits(&req, &state)?;
    let body = match state.answers.bodies.receive(payload).await {
        Ok(body) => body,
        Err(BodyError::Busy) => return Err(refused(&state, Refusal::FiltersBusy).into()),
        Err(BodyError::TooLarge) => return Err(too_large().into()),
        Err(BodyError::Incomplete) => {
            return Err(invalid("body", "body has not come completely, or not in time").into());
        }
    };
    let parse = move || Filter::from_json(body.bytes(), limits);
    let filter = state.answers.filters.run_aside(parse).await?.map_err(InvalidParameter::from)?;
    let limit = state.live.settings().clients.kept_filter_bytes as u64;
    let inside = state.clone();
    // The disk may be slow; other clients do not wait for it.
    let text = state.filters.shared.is_some().then(|| serde_json::to_vec(&filter).unwrap_or_default());
    let kept = web::block(move || inside.filters.kept.keep(&filter, limit, clock::unix_us())).await?;
    let kept = kept.map_err(|NoRoom| refused(&state, Refusal::KeptFiltersFull))?;
    if let (Some(shared), Some(text)) = (&state.filters.shared, text) {
        shared.put(&kept.name, text).await.map_err(|error| {
            log::warn!("a filter that a client has put cannot be kept for the other servers: {error}");
            Unavailable("the filter cannot be kept now; try again later")
        })?;
    }
    Ok(answer(&kept))
}

/// Takes over a filter that was put at another server. Returns whether there is one.
async fn take_over(state: &web::Data<AppState>, name: &str) -> Result<bool, Error> {
    let Some(shared) = &state.filters.shared else { return Ok(false) };
    let text = shared.get(name).await.map_err(|error| {
        log::warn!("a filter that a client has put cannot be read: {error}");
        Unavailable("the filter cannot be read now; try again later")
    })?;
    let Some(text) = text else { return Ok(false) };
    let parse = move || Filter::from_json(&text, Limits::LARGEST);
    let Ok(filter) = state.answers.filters.run_aside(parse).await? else { return Ok(false) };
    let limit = state.live.settings().clients.kept_filter_bytes as u64;
    let inside = state.clone();
    let kept = web::block(move || inside.filters.kept.keep(&filter, limit, clock::unix_us())).await?;
    let kept = kept.map_err(|NoRoom| refused(state, Refusal::KeptFiltersFull))?;
    Ok(kept.name == name)
}

fn too_large() -> InvalidParameter {
    invalid("body", &format!("body has more than {MAX_BODY} bytes"))
}

fn answer(kept: &Kept) -> HttpResponse {
    let expires = i64::try_from(kept.expires_us).ok().and_then(DateTime::from_timestamp_micros);
    let expires = expires.map(|expires| expires.to_rfc3339_opts(SecondsFormat::Secs, true));
    HttpResponse::Ok()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({ "filter": kept.name, "expires": expires }))
}

/// The named filters that have to want what a client gets: that of its token, and the one that it asks for. They are in
/// the order of their ids, each once.
///
/// # Errors
/// If the client asks for one that does not exist.
pub(super) async fn named(
    state: &web::Data<AppState>,
    identity: Option<&Identity>,
    asked: Option<&str>,
) -> Result<Vec<Arc<NamedFilter>>, Error> {
    let mut named = Vec::new();
    if let Some(restriction) = identity.and_then(|identity| identity.filter.as_deref()) {
        // A reload may be taking it away.
        let filter = state.filters.configured.get(restriction);
        named.push(filter.ok_or(Unavailable("the token's filter is gone"))?);
    }
    if let Some(name) = asked {
        named.push(find(state, name).await?);
    }
    named.sort_unstable_by_key(|named| named.id);
    named.dedup();
    Ok(named)
}

async fn find(state: &web::Data<AppState>, name: &str) -> Result<Arc<NamedFilter>, Error> {
    if !name.starts_with(PREFIX) {
        let filter = state.filters.configured.get(name);
        return filter.ok_or_else(|| {
            let message = format!("there is no filter named {:?}", escaped(name, MAX_SHOWN));
            invalid("filter", &message).into()
        });
    }
    let mut found = state.filters.kept.find(name, clock::unix_us());
    if matches!(found, Found::Unknown) && is_kept_name(name) && take_over(state, name).await? {
        found = state.filters.kept.find(name, clock::unix_us());
    }
    let found = match found {
        Found::InUse(filter) => return Ok(filter),
        Found::Unknown => None,
        Found::Kept => {
            let (inside, name) = (state.clone(), name.to_string());
            let load = move || inside.filters.kept.load(&name);
            state.answers.filters.run_aside(load).await?.map_err(|error| {
                log::warn!("a filter that a client has put cannot be read: {error}");
                Unavailable("the filter cannot be read now; try again later")
            })?
        }
    };
    found.ok_or_else(|| {
        let name = escaped(name, MAX_SHOWN);
        let message =
            format!("{name} is not known, or was not used for 30 days; put it again with POST /filters");
        invalid("filter", &message).into()
    })
}
