//! `OPTIONS *` and `OPTIONS /`: the methods of the site as a whole (RFC 9110 §9.3.7).
//!
//! HAProxy's plain `option httpchk` sends `OPTIONS /`. The answer needs no worker, so a full queue
//! does not take the site out of a balancer. Documents answer `OPTIONS` for themselves.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

pub(crate) async fn answer(request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS && matches!(request.uri().path(), "*" | "/") {
        let allow = [(header::ALLOW, "DELETE, GET, HEAD, OPTIONS, POST")];
        return (StatusCode::NO_CONTENT, allow).into_response();
    }
    next.run(request).await
}
