//! The address at which the browser sees the site: below a prefix, or with a part of it as the
//! root.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use euryale::forwarded::{
    CheckHostLayer, ForwardedLayer, HostTable, PublicUrl, TrustedProxies, VirtualHostLayer,
};
use http::Extensions;
use http::uri::PathAndQuery;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower::layer::util::{Identity, Stack};
use tower::util::MapResponseLayer;
use tower::{Service, ServiceBuilder};
use tower_layer::Layer;

use crate::cli::settings::Settings;
use crate::serve::access_log::{self, AccessLog};
use crate::serve::permits::{self, Rules};
use crate::serve::request_id::RequestIdLayer;
use crate::serve::watch::watch;

tokio::task_local! {
    /// For pages that layers make, which have no data about the request except its failure.
    static HERE: PublicUrl;
}

/// The proxies that the site trusts, and for which fields.
fn forwarded(settings: &Settings) -> ForwardedLayer {
    let proxies: TrustedProxies = settings.trusted_proxy.iter().copied().collect();
    ForwardedLayer::new(proxies).fields(settings.forwarded_field.iter().copied())
}

/// The proxies that may write virtual hosts into paths, and the table of hosts. None if there are
/// neither.
fn virtual_hosts(settings: &Settings) -> Option<VirtualHostLayer> {
    if settings.virtual_host_proxy.is_empty() && settings.virtual_host.is_empty() {
        return None;
    }
    let proxies: TrustedProxies = settings.virtual_host_proxy.iter().copied().collect();
    // Each line was read before, as a setting.
    let table: HostTable = settings.virtual_host.join("\n").parse().unwrap_or_default();
    Some(VirtualHostLayer::new(proxies).table(table))
}

/// The hosts that are answered. `None` means any.
fn hosts(settings: &Settings, rules: Rules) -> Option<CheckHostLayer> {
    let listed = || settings.host.iter().cloned().collect();
    let hosts = rules
        .hosts()
        .or_else(|| (!settings.host.is_empty()).then(listed));
    hosts.map(CheckHostLayer::new)
}

/// A proxy's fields are evaluated before any other layer gets the request, and permissions are
/// decided before it reaches `site` with all of its routes.
pub(crate) fn around(site: Router, settings: &Settings, rules: Rules, access: AccessLog) -> Router {
    let hosts = hosts(settings, rules).map(|layer| with_axum().layer(layer));
    // A layer that changes paths must be around the routes, not inside them.
    let virtual_hosts =
        virtual_hosts(settings).map(|layer| with_axum().layer(layer).map_request(own_names));
    let ids = settings.request_id.then(RequestIdLayer::default);
    // One service without a box, like that of the routes. The access log is outside every layer
    // that refuses requests, and inside the one that finds the client.
    let site = ServiceBuilder::new()
        .map_request(move |request| permits::permit(rules, request))
        .layer(with_axum().layer(forwarded(settings)))
        .option_layer(ids)
        .layer(watch(move |request| access_log::log(&access, request)))
        .option_layer(virtual_hosts)
        .option_layer(hosts)
        .map_request(permits::gate)
        .service(site);
    Router::new().fallback_service(site)
}

/// For layers whose responses have the stack's type; those of routes have axum's.
fn with_axum() -> ServiceBuilder<Stack<MapResponseLayer<ToAxum>, Identity>> {
    ServiceBuilder::new().map_response(euryale::Response::into_response as ToAxum)
}

type ToAxum = fn(euryale::Response) -> Response;

/// Records the address at which the browser sees the site, for everything that answers a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RememberLayer;

impl<S> Layer<S> for RememberLayer {
    type Service = Remember<S>;

    fn layer(&self, inner: S) -> Remember<S> {
        Remember(inner)
    }
}

/// Made by [`RememberLayer`].
#[derive(Clone, Debug)]
pub(crate) struct Remember<S>(S);

impl<S: Service<Request>> Service<Request> for Remember<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = RememberFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match elsewhere(request.extensions()) {
            Some(url) => RememberFuture::Elsewhere {
                inner: HERE.sync_scope(url.clone(), || HERE.scope(url, self.0.call(request))),
            },
            None => RememberFuture::Here {
                inner: self.0.call(request),
            },
        }
    }
}

pin_project! {
    #[project = Places]
    pub(crate) enum RememberFuture<F> {
        Elsewhere { #[pin] inner: TaskLocalFuture<PublicUrl, F> },
        Here { #[pin] inner: F },
    }
}

impl<F: Future> Future for RememberFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project() {
            Places::Elsewhere { inner } => inner.poll(cx),
            Places::Here { inner } => inner.poll(cx),
        }
    }
}

/// The address at which the browser sees the site, if it is a different one, for the current
/// request, inside [`RememberLayer`].
pub(crate) fn here() -> Option<PublicUrl> {
    HERE.try_with(Clone::clone).ok()
}

/// The same for a request.
pub(crate) fn elsewhere(extensions: &Extensions) -> Option<PublicUrl> {
    let url = PublicUrl::of(extensions)?;
    let is_elsewhere = !(url.prefix().is_empty() && url.root().is_empty());
    is_elsewhere.then(|| url.clone())
}

/// Names with `@@` belong to the site, and are available to browsers that see only a part of it:
/// like views in Zope, which a folder gets from its site.
fn own_names(mut request: Request) -> Request {
    let root = elsewhere(request.extensions())
        .map(|url| url.root().to_owned())
        .unwrap_or_default();
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", PathAndQuery::as_str);
    let own = target
        .strip_prefix(&root)
        .filter(|own| !root.is_empty() && own.starts_with("/@@"));
    if let Some(own) = own.and_then(|own| PathAndQuery::try_from(own).ok()) {
        let mut uri = request.uri().clone().into_parts();
        uri.path_and_query = Some(own);
        if let Ok(uri) = http::Uri::from_parts(uri) {
            *request.uri_mut() = uri;
        }
    }
    request
}
