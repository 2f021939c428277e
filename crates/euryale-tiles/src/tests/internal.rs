//! Views for the application only.

use euryale_core::error::APPLICATION;
use euryale_core::request::InternalRequest;
use euryale_core::{Abort, Body, Error};
use http::Request;

use super::{Site, html, tiles};

fn fragment(request: &Request<Body>) -> Result<String, Abort> {
    let mark = InternalRequest::require(request)?;
    Ok(format!("depth {}", mark.depth()))
}

fn site() -> Site {
    let view = |request: Request<Body>| async move {
        // Like the abort of a publisher, whose response has the status 404.
        fragment(&request)
            .map(html)
            .map_err(|_| Error::new(APPLICATION))
    };
    Site::new("<b data-tile=/in></b> <b data-tile=/outer></b>")
        .view("/in", view)
        .tile("/outer", "<b data-tile=/in?2></b>")
}

#[tokio::test]
async fn internal_views_are_available_to_tiles() {
    assert_eq!(site().get(tiles()).await, "depth 1 depth 2");
}
