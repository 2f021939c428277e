//! The address at which the browser sees the site: below a prefix, or a part of it as the whole.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state, map_request};
use axum::response::Response;
use euryale::forwarded::{
    CheckHostLayer, ForwardedLayer, HostTable, PublicUrl, TrustedProxies, VirtualHostLayer,
};
use http::Extensions;
use http::uri::PathAndQuery;
use tower_layer::Layer;

use crate::access_log::{self, AccessLog};
use crate::permits::{self, Rules};
use crate::request_id::{self, RequestIds};
use crate::settings::Settings;

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

/// The hosts that are answered. None: any.
fn hosts(settings: &Settings, rules: Rules) -> Option<CheckHostLayer> {
    let listed = || settings.host.iter().cloned().collect();
    let hosts = rules
        .hosts()
        .or_else(|| (!settings.host.is_empty()).then(listed));
    hosts.map(CheckHostLayer::new)
}

/// A proxy's fields are evaluated before anything else sees a request, and its permissions are
/// decided before it reaches `site` with all its routes.
pub(crate) fn around(site: Router, settings: &Settings, rules: Rules, access: AccessLog) -> Router {
    let site = Router::new()
        .fallback_service(site)
        .layer(from_fn(permits::gate));
    let site = match hosts(settings, rules) {
        Some(layer) => Router::new().fallback_service(layer.layer(site)),
        None => site,
    };
    let site = match virtual_hosts(settings) {
        // A layer that changes paths must be around the routes, not inside them.
        Some(layer) => {
            let own_names = Router::new()
                .fallback_service(site)
                .layer(map_request(own_names));
            Router::new().fallback_service(layer.layer(own_names))
        }
        None => site,
    };
    // Around everything that refuses, and inside the layer that finds the client.
    let site = Router::new()
        .fallback_service(site)
        .layer(from_fn_with_state(access, access_log::log));
    let site = if settings.request_id {
        let ids = RequestIds::default();
        site.layer(from_fn_with_state(ids, request_id::identify))
    } else {
        site
    };
    Router::new()
        .fallback_service(forwarded(settings).layer(site))
        .layer(from_fn_with_state(rules, permits::permit))
}

/// Records the address at which the browser sees the site, for everything that answers this
/// request.
pub(crate) async fn remember(request: Request, next: Next) -> Response {
    match elsewhere(request.extensions()) {
        Some(url) => HERE.scope(url, next.run(request)).await,
        None => next.run(request).await,
    }
}

/// The address at which the browser sees the site, if it is a different one, for the current
/// request, if it was [remembered].
///
/// [remembered]: remember
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
async fn own_names(mut request: Request) -> Request {
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
