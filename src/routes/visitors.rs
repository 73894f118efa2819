//! Identifies the visitor behind a request, and checks permissions.

use super::answers::{json_answer, not_found};
use super::on_demand::StatusAndBody;
use super::state::{AppState, Audience};
use crate::access::{Access, Claims, ConnectionPermit, LimitKey, Refusal, Token, Visitor};
use crate::actors::client::{ClientOrigin, Identity};
use crate::filter::Limits;
use crate::message::Stream;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, ResponseError, web};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Other headers of forwarded requests. A request with one of them is not an admin's either.
const FORWARDED: [HeaderName; 2] = [header::FORWARDED, HeaderName::from_static("x-real-ip")];
/// The Fetch Metadata header that states which site's page sent the request.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// The Retry-After header, seconds.
const RETRY_AFTER: &str = "30";

/// A [`Refusal`] as an HTTP error.
#[derive(Debug)]
pub(super) struct Refused(Refusal);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for Refused {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::FORBIDDEN)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"));
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
        }
        if self.0.passes() {
            response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
        }
        response.json(serde_json::json!({ "error": self.0.to_string() }))
    }
}

/// Middleware that identifies the visitor before a request is answered.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // No path of this server needs percent-encoding, so an encoded path is an attempt to bypass a filter.
    if request.path().contains('%') || request.path().contains("//") {
        return Ok(request.into_response(not_found().await.map_into_boxed_body()));
    }
    match visitor_of(&request) {
        Ok(visitor) => {
            request.extensions_mut().insert(visitor);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(refusal) => Ok(turn_away(request, refusal)),
    }
}

fn turn_away(request: ServiceRequest, refusal: Refusal) -> ServiceResponse<BoxBody> {
    if let Some(state) = request.app_data::<web::Data<AppState>>() {
        state.counters.refused(refusal);
    }
    request.into_response(Refused(refusal).error_response())
}

fn visitor_of(request: &ServiceRequest) -> Result<Visitor, Refusal> {
    // Without this data no check is possible, so the request is refused.
    let state = request.app_data::<web::Data<AppState>>().ok_or(Refusal::NotAdmin)?;
    let audience = request.app_data::<Audience>().ok_or(Refusal::NotAdmin)?;
    let peer = request.peer_addr().ok_or(Refusal::Network)?.ip();
    let headers = request.headers();
    let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(name));
    let access = &state.live.settings().access;
    if *audience == Audience::Admins {
        let admin = access.admin(peer, is_forwarded || headers.contains_key(FORWARDED_FOR))?;
        admit_as_admin(access, request)?;
        return Ok(admin);
    }
    let forwarded = headers.get_all(FORWARDED_FOR).map(|value| value.as_bytes());
    let mut visitor = access.visitor(peer, forwarded)?;
    visitor.is_admin &= visitor.is_proxied || !is_forwarded;
    visitor.is_admin &= admit_as_admin(access, request).is_ok();
    Ok(visitor)
}

/// Checks by the request's headers whether an admin may be answered as one.
fn admit_as_admin(access: &Access, request: &ServiceRequest) -> Result<(), Refusal> {
    let headers = request.headers();
    let values = |name: HeaderName| headers.get_all(name).map(|value| value.as_bytes()).collect::<Vec<_>>();
    access.admit_as_admin(&Claims {
        authority: request.uri().authority().map(|authority| authority.as_str()),
        hosts: &values(header::HOST),
        origins: &values(header::ORIGIN),
        fetch_sites: &values(FETCH_SITE),
    })
}

/// Middleware that restricts a route to admins if the configuration requires it.
pub(super) async fn admins_if_so_configured(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let rules = request.app_data::<web::Data<AppState>>().map(|state| state.live.settings());
    let restricted = rules.as_ref().is_none_or(|rules| rules.access.admins_only);
    let visitor = visitor(request.request());
    if restricted && !visitor.is_admin {
        // An admin is told which other check failed.
        let access = rules.as_ref().map(|rules| &rules.access);
        let access = access.filter(|access| access.admins.contain(visitor.address));
        let why = access.and_then(|access| admit_as_admin(access, &request).err());
        return Ok(turn_away(request, why.unwrap_or(Refusal::NotAdmin)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// The visitor, as [`admit`] identified it.
pub(super) fn visitor(request: &HttpRequest) -> Visitor {
    let nobody = Visitor { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), is_admin: false, is_proxied: false };
    request.extensions().get::<Visitor>().copied().unwrap_or(nobody)
}

/// JSON with the data that `visitor` may see. Pages of any origin may read it unless it is for admins.
pub(super) fn json_for(visitor: Visitor, answer: StatusAndBody) -> HttpResponse {
    if !visitor.is_admin {
        return json_answer(answer);
    }
    let (status, body) = answer;
    HttpResponse::build(status)
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

/// Checks whether the request may read all messages of `stream`.
pub(super) fn may_hear(request: &HttpRequest, state: &AppState, stream: Stream) -> Result<(), Refused> {
    let rules = state.live.settings();
    let token = rules.access.token(presented(request).as_deref(), stream);
    match token {
        Ok(Some(Token { filter: Some(_), .. })) => Err(refused(state, Refusal::TokenFilter)),
        token => token.map(drop).map_err(|refusal| refused(state, refusal)),
    }
}

/// How large a filter may be that comes with the request.
pub(super) fn filter_limits(request: &HttpRequest, state: &AppState) -> Result<Limits, Refused> {
    let rules = state.live.settings();
    let limits = rules.access.filter_limits(presented(request).as_deref());
    limits.map_err(|refusal| refused(state, refusal))
}

/// Counts the refusal of a request.
pub(super) fn refused(state: &AppState, refusal: Refusal) -> Refused {
    state.counters.refused(refusal);
    Refused(refusal)
}

/// The origin of a client of `stream`, with the permits that it holds.
pub(super) fn origin(
    request: &HttpRequest,
    state: &AppState,
    stream: Stream,
) -> Result<ClientOrigin, Refused> {
    let origin = origin_or_refusal(request, state, stream);
    origin.map_err(|refusal| refused(state, refusal))
}

fn origin_or_refusal(
    request: &HttpRequest,
    state: &AppState,
    stream: Stream,
) -> Result<ClientOrigin, Refusal> {
    if !state.serves_streams {
        return Err(Refusal::NoStreams);
    }
    let (rules, visitor) = (state.live.settings(), visitor(request));
    let token = rules.access.token(presented(request).as_deref(), stream)?;
    let mut slots = Vec::new();
    if let Some(token) = token.filter(|token| token.connections > 0) {
        let slot = state.slots.take(LimitKey::Token(token.digest), token.connections);
        slots.push(slot.ok_or(Refusal::TokenFull)?);
    }
    slots.extend(slot_behind_a_proxy(&rules.access, visitor, state)?);
    let identity = token.map(|token| Identity {
        name: token.name.as_str().into(),
        digest: token.digest,
        filter: token.filter.as_deref().map(Arc::from),
    });
    Ok(ClientOrigin { address: visitor.address, identity, slots })
}

/// Takes a permit for a client behind a proxy. Other clients have had theirs since they connected.
fn slot_behind_a_proxy(
    access: &Access,
    visitor: Visitor,
    state: &AppState,
) -> Result<Option<ConnectionPermit>, Refusal> {
    if !visitor.is_proxied || access.connections_per_address == 0 {
        return Ok(None);
    }
    let slot = state.slots.take(LimitKey::at(visitor.address), access.connections_per_address);
    slot.map(Some).ok_or(Refusal::AddressFull)
}

/// The token in the Authorization header, or else in the query.
fn presented(request: &HttpRequest) -> Option<Vec<u8>> {
    bearer(request.headers()).or_else(|| {
        let mut pairs = form_urlencoded::parse(request.query_string().as_bytes());
        let token = pairs.find(|(key, _)| key == "token");
        token.map(|(_, token)| token.into_owned().into_bytes())
    })
}

/// The bearer token in the Authorization header (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii().into())
}

/// The name of the token that a client presented.
pub(super) fn name_of(identity: Option<&Identity>) -> Option<Arc<str>> {
    identity.map(|identity| identity.name.clone())
}
