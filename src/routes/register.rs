//! Adds routes, and knows their paths, so that tests can compare them with the documents.

use crate::config::paths::with_slash;
use actix_web::dev::HttpServiceFactory;
use actix_web::http::{Method, header};
use actix_web::{FromRequest, Handler, HttpResponse, Resource, Responder, web};

/// Adds routes to an application.
pub(super) struct Register<'a> {
    app: &'a mut web::ServiceConfig,
    paths: Vec<String>,
}

impl<'a> Register<'a> {
    pub(super) fn new(app: &'a mut web::ServiceConfig) -> Self {
        Register { app, paths: Vec::new() }
    }

    /// Adds a route at `path`.
    pub(super) fn at<S: HttpServiceFactory + 'static>(
        &mut self,
        path: &str,
        route: impl FnOnce(Resource) -> S,
    ) {
        self.app.service(route(web::resource(path)));
        self.paths.push(path.into());
    }

    /// Adds a route at `path`, with and without a slash at its end.
    pub(super) fn at_either<S: HttpServiceFactory + 'static>(
        &mut self,
        path: &str,
        route: impl FnOnce(Resource) -> S,
    ) {
        self.app.service(route(web::resource(with_slash(path))));
        self.paths.push(path.into());
    }

    /// Adds the answer to all other paths. Returns the paths that were added.
    pub(super) fn otherwise<F, Args>(self, handler: F) -> Vec<String>
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.app.default_service(web::to(handler));
        self.paths
    }
}

/// A route that pages of any origin may read.
pub(super) fn json_route<F, Args>(handler: F) -> impl FnOnce(Resource) -> Resource
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    move |at| {
        at.route(web::get().to(handler.clone()))
            .route(web::head().to(handler))
            .route(web::method(Method::OPTIONS).to(preflight))
    }
}

async fn preflight() -> HttpResponse {
    preflight_of("GET, HEAD, OPTIONS")
}

pub(super) async fn preflight_of_post() -> HttpResponse {
    preflight_of("POST, OPTIONS")
}

fn preflight_of(methods: &'static str) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, methods))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}
