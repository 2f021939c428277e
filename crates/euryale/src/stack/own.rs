//! The program's own layers in the stack.

use bytes::Bytes;
use euryale_core::{Body, BoxError, Error, Response};
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt};
use tower_layer::Layer;

/// The service that a program's own layer wraps in a [`Stack`](crate::Stack), just inside
/// [`Respond`](euryale_respond::Respond).
pub type StackInner = BoxCloneSyncService<http::Request<Body>, Response, Error>;

/// The program's own layers, outermost first.
#[derive(Default)]
pub(super) struct OwnLayers(Vec<Box<dyn FnOnce(StackInner) -> StackInner + Send + Sync>>);

impl OwnLayers {
    pub(super) fn push<L, B>(&mut self, layer: L)
    where
        L: Layer<StackInner> + Send + Sync + 'static,
        L::Service: Service<
                http::Request<Body>,
                Response = http::Response<B>,
                Error: Into<Error>,
                Future: Send,
            > + Clone
            + Send
            + Sync
            + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.0.push(Box::new(move |inner| {
            let service = layer
                .layer(inner)
                .map_response(|response: http::Response<B>| response.map(Body::new));
            BoxCloneSyncService::new(service.map_err(Into::into))
        }));
    }

    pub(super) fn around(self, inner: StackInner) -> StackInner {
        self.0
            .into_iter()
            .rev()
            .fold(inner, |inner, layer| layer(inner))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
