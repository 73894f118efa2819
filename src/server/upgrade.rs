//! Requests that ask for another protocol: answered like all others, and where the answer is a WebSocket session, the
//! connection becomes its own.
//!
//! A session could live in the body of its answer instead. But the HTTP dispatcher copies what a body gives, and keeps
//! its buffers for as long as the connection lasts.

use crate::actors::connection::Connection;
use crate::actors::socket::Socket;
use crate::actors::websocket_session::{CanUpgrade, Session};
use actix_codec::Framed;
use actix_http::h1::{Codec, SendResponse};
use actix_http::{ConnectionType, HttpMessage, Request, Response};
use actix_service::{Service, ServiceFactory};
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::ServiceResponse;
use actix_web::error::PayloadError;
use actix_web::{Error, HttpResponse};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Answers requests for an upgrade as the service inside does.
pub(super) struct Upgrade<S>(pub(super) S);

/// What became of a request: the connection, if the answer is a session, and until then the way to it.
pub(super) enum Upgraded<T> {
    Answering(LocalBoxFuture<'static, Result<Option<Connection<T>>, Error>>),
    Connected(Connection<T>),
}

impl<T, S> ServiceFactory<(Request, Framed<T, Codec>)> for Upgrade<S>
where
    T: Socket + 'static,
    S: ServiceFactory<Request, Config = (), Response = ServiceResponse, Error = Error, InitError = ()>,
    S::Future: 'static,
    <S::Service as Service<Request>>::Future: 'static,
{
    type Response = ();
    type Error = Error;
    type Config = ();
    type Service = Upgrade<S::Service>;
    type InitError = ();
    type Future = LocalBoxFuture<'static, Result<Self::Service, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        let inner = self.0.new_service(());
        Box::pin(async move { Ok(Upgrade(inner.await?)) })
    }
}

impl<T, S> Service<(Request, Framed<T, Codec>)> for Upgrade<S>
where
    T: Socket + 'static,
    S: Service<Request, Response = ServiceResponse, Error = Error>,
    S::Future: 'static,
{
    type Response = ();
    type Error = Error;
    type Future = Upgraded<T>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&self, (request, framed): (Request, Framed<T, Codec>)) -> Self::Future {
        request.extensions_mut().insert(CanUpgrade);
        let answer = self.0.call(request);
        Upgraded::Answering(Box::pin(async move {
            let response = answer.await.map_or_else(|error| error.error_response(), HttpResponse::from);
            answered(framed, response).await
        }))
    }
}

/// Sends `response`. `None` if it is no session; the connection has then no further use.
async fn answered<T: Socket>(
    framed: Framed<T, Codec>,
    mut response: HttpResponse,
) -> Result<Option<Connection<T>>, Error> {
    let session = response.extensions_mut().remove::<Session>();
    if session.is_none() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    let response = Response::from(response.map_body(|_, body| Body(body)));
    let sent = SendResponse::new(framed, response).await?.into_parts();
    Ok(session.map(|session| Connection::new(sent.io, session, sent.read_buf.freeze())))
}

/// A body with errors as the sender of answers takes them.
struct Body(BoxBody);

impl MessageBody for Body {
    type Error = PayloadError;

    fn size(&self) -> BodySize {
        self.0.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = Pin::new(&mut self.0).poll_next(cx);
        next.map_err(|error| PayloadError::Io(io::Error::other(error.to_string())))
    }
}

impl<T: Socket> Future for Upgraded<T> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Upgraded::Answering(answer) = &mut *self {
            match ready!(answer.as_mut().poll(cx))? {
                Some(connection) => *self = Upgraded::Connected(connection),
                None => return Poll::Ready(Ok(())),
            }
        }
        match &mut *self {
            Upgraded::Connected(connection) => Pin::new(connection).poll(cx).map(Ok),
            Upgraded::Answering(_) => Poll::Pending,
        }
    }
}
