//! A listener for operators, with its own service.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::{BoxError, Ledger};
use http::{Request, Response};
use tower_service::Service;

use crate::admission::Admission;
use crate::incoming::Incoming;
use crate::listener::Listener;
use crate::running::RunningServer;
use crate::terms::Settings;

/// The service for operators, until the server starts.
pub(crate) struct Operators {
    listener: Listener,
    /// Hides the type of the service from the server.
    start: Box<dyn FnOnce(Settings, Listener) -> RunningServer + Send + Sync>,
}

impl Operators {
    pub(crate) fn new<S, B>(listener: Listener, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let start = |settings: Settings, listener| {
            let admission = Arc::new(Admission::new(&settings));
            let uncounted = (Ledger::new(), None, None);
            RunningServer::start(admission, uncounted, vec![listener], service)
        };
        Self {
            listener,
            start: Box::new(start),
        }
    }

    /// Starts with the settings of the server, but with no more places than the reserve has.
    pub(crate) fn start(self, mut settings: Settings) -> RunningServer {
        if let Some(places) = self.listener.places() {
            settings.max_sockets = settings.max_sockets.min(places);
        }
        settings.close_idle_for_new = true;
        (self.start)(settings, self.listener)
    }
}

impl fmt::Debug for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operators")
            .field("listener", &self.listener)
            .finish_non_exhaustive()
    }
}
