//! The name of the route that a request belongs to.

use std::fmt;
use std::sync::Arc;

/// The route that a request belongs to, for statistics, the status page and logs: a value in the
/// request's extensions.
///
/// Put a pattern there (`/orders/{id}`), never a raw path: each name is a label value in the
/// metrics, and a client must not be able to choose one.
///
/// The router sets it, in a layer outside the cap. With axum that is a middleware of the routes
/// (`Router::route_layer`) that copies `MatchedPath`:
///
/// ```
/// use euryale_core::request::Route;
///
/// # #[derive(Clone)]
/// # struct MatchedPath(&'static str);
/// # impl MatchedPath { fn as_str(&self) -> &str { self.0 } }
/// fn name_route<B>(request: &mut http::Request<B>) {
///     if let Some(path) = request.extensions().get::<MatchedPath>() {
///         let route = Route::new(path.as_str());
///         request.extensions_mut().insert(route);
///     }
/// }
/// # let mut request = http::Request::new(());
/// # name_route(&mut request);
/// # assert!(request.extensions().get::<Route>().is_none());
/// # request.extensions_mut().insert(MatchedPath("/orders/{id}"));
/// # name_route(&mut request);
/// # assert_eq!(request.extensions().get::<Route>().unwrap().name(), "/orders/{id}");
/// ```
///
/// Clones share the name: a program that creates its routes once allocates nothing per request.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Route {
    name: Arc<str>,
}

impl Route {
    /// Creates a route with this name. An empty name means no route.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into() }
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Route").field(&self.name).finish()
    }
}
