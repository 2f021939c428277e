//! `OPTIONS *` and `OPTIONS /`: the methods of the site as a whole (RFC 9110 §9.3.7).
//!
//! HAProxy's plain `option httpchk` sends `OPTIONS /`. The answer needs no worker, so a full queue
//! does not take the site out of a balancer. Documents answer `OPTIONS` for themselves.

use std::ops::ControlFlow;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

pub(crate) fn answer(request: &mut Request) -> ControlFlow<Response, fn(Response) -> Response> {
    if request.method() == Method::OPTIONS && matches!(request.uri().path(), "*" | "/") {
        let allow = [(header::ALLOW, "DELETE, GET, HEAD, OPTIONS, POST")];
        return ControlFlow::Break((StatusCode::NO_CONTENT, allow).into_response());
    }
    ControlFlow::Continue(std::convert::identity)
}
