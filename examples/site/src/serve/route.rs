//! The names of routes in statistics and in the log: never the path of a request, because there are
//! too many.

use axum::extract::Request;
use euryale::request::Route;
use http::Method;

use crate::demo::COUNTER;
use crate::pages::form;
use crate::serve::permits;

/// Names the route of `request`.
pub(crate) fn name(mut request: Request) -> Request {
    let name = match (request.uri().path(), request.method()) {
        ("/@@slow", _) => "/@@slow",
        ("/@@deferred", _) => "/@@deferred",
        ("/@@export", _) => "/@@export",
        (COUNTER, _) => COUNTER,
        ("/@@promises", _) => "/@@promises",
        ("/@@feed", _) => "/@@feed",
        (permits::REFUSED, _) => "refused",
        (path, _) if path.contains("/@@scale/") => "scale",
        (_, method) if form::is_upload(method, request.headers()) => "upload",
        (_, &Method::GET | &Method::HEAD) => "read",
        _ => "write",
    };
    request.extensions_mut().insert(Route::new(name));
    request
}
