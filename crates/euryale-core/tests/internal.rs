//! Requests that the application makes to itself.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use euryale_core::request::Internal;
use euryale_core::transaction::{Attempt, History, SnapshotPin};
use euryale_core::{Body, Error, Response};
use http::Extensions;
use tower_service::Service;

/// Keeps the extensions of the last request.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Extensions>>);

impl Service<http::Request<Body>> for Kept {
    type Response = Response;
    type Error = Error;
    type Future = Ready<Result<Response, Error>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        *self.0.lock().expect("nobody panics") = request.into_parts().0.extensions;
        ready(Ok(Response::new(Body::empty())))
    }
}

#[tokio::test]
async fn a_sub_request_is_a_transaction_of_its_own() {
    let kept = Kept::default();
    let mut outer = Extensions::new();
    outer.insert(History::default().after_conflict(true));
    outer.insert(Attempt::new(History::default()));
    outer.insert(SnapshotPin::new());
    outer.insert("the site's own");
    let mut request = http::Request::new(Body::empty());
    *request.extensions_mut() = outer.clone();
    Internal::new(kept.clone())
        .request(request, &outer)
        .await
        .unwrap();
    let inner = kept.0.lock().unwrap();
    assert!(inner.get::<History>().is_none());
    assert!(inner.get::<Attempt>().is_none());
    assert!(
        inner.get::<SnapshotPin>().is_none(),
        "the passes of the outer request read another state"
    );
    assert_eq!(inner.get::<&str>(), Some(&"the site's own"));
}

fn with_room(room: usize) -> Internal {
    Internal::new(Kept::default()).with_room(move || room)
}

fn room(extensions: &Extensions) -> Option<usize> {
    Internal::of(extensions)?.room()
}

#[test]
fn the_innermost_way_is_found_whether_it_was_attached_or_inserted() {
    let mut extensions = Extensions::new();
    assert!(Internal::of(&extensions).is_none());
    with_room(1).attach(&mut extensions);
    assert_eq!(room(&extensions), Some(1));
    extensions.insert(with_room(2));
    assert_eq!(room(&extensions), Some(2));
    with_room(3).attach(&mut extensions);
    assert_eq!(room(&extensions), Some(3));
}
