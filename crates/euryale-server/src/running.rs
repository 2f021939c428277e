//! A server at work, and its drain.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use euryale_core::{BoxError, Ledger};
use http::{Request, Response};
use hyper_util::server::conn::auto;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::accept::accept;
use crate::clock::Limits;
use crate::conversation::Tracked;
use crate::edge::MakeEdge;
use crate::incoming::Incoming;
use crate::listener::Listener;
use crate::per_peer::PerPeer;
use crate::settings::Settings;
use crate::shutdown::Shutdown;

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Sockets that were open when the drain began and came to an end before its deadline, idle ones
    /// included.
    pub finished: usize,
    /// Sockets that were still open when it ended.
    pub cut: usize,
}

impl Drained {
    /// Nothing had to be cut.
    pub fn is_complete(&self) -> bool {
        self.cut == 0
    }
}

/// What all tasks of a server have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) http: auto::Builder<Tracked>,
    pub(crate) limits: Limits,
    pub(crate) handshake_timeout: Duration,
    pub(crate) max_resets: u32,
    pub(crate) max_control_frames: u32,
    /// A permit for each socket that may be open.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) per_peer: PerPeer,
    pub(crate) ledger: Ledger,
    /// A token for each open socket, upgraded ones included.
    pub(crate) sockets: TaskTracker,
    /// Conversations, and the streams of HTTP/2.
    pub(crate) tasks: TaskTracker,
    /// No new peers.
    pub(crate) stop: CancellationToken,
    /// Finish what is in flight.
    pub(crate) drain: CancellationToken,
    /// End at once.
    pub(crate) cut: CancellationToken,
}

/// Accept loops and conversations. Cuts when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    shared: Arc<Shared>,
    accepting: TaskTracker,
}

impl Running {
    /// For tasks to be dropped that were cut. Only user code that blocks a runtime thread makes them need
    /// longer.
    const LAST_POLL: Duration = Duration::from_millis(500);

    pub(crate) fn start<S, B>(
        settings: &Settings,
        ledger: Ledger,
        listeners: Vec<Listener>,
        service: S,
    ) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let tasks = TaskTracker::new();
        let cut = CancellationToken::new();
        let shared = Arc::new(Shared {
            http: settings.builder(Tracked { tasks: tasks.clone(), stall: settings.limits.write }),
            limits: settings.limits,
            handshake_timeout: settings.handshake_timeout,
            max_resets: settings.max_resets,
            max_control_frames: settings.max_control_frames,
            places: Arc::new(Semaphore::new(settings.max_sockets.clamp(1, Semaphore::MAX_PERMITS))),
            per_peer: PerPeer::new(settings.max_sockets_per_peer),
            ledger,
            sockets: TaskTracker::new(),
            tasks,
            stop: cut.child_token(),
            drain: CancellationToken::new(),
            cut,
        });
        let make = MakeEdge::new(service, settings.pace);
        let accepting = TaskTracker::new();
        for listener in listeners {
            accepting.spawn(accept(listener, make.clone(), shared.clone()));
        }
        Self { shared, accepting }
    }

    /// Stops accepting ⇒ lets conversations finish ⇒ cuts what is left at the deadline, or when
    /// `shutdown` says so.
    pub(crate) async fn drain(self, deadline: Duration, shutdown: &Shutdown) -> Drained {
        let Self { shared, accepting } = &self;
        for tracker in [accepting, &shared.sockets, &shared.tasks] {
            tracker.close();
        }
        shared.stop.cancel();
        let mut open = 0;
        let all_finish = async {
            accepting.wait().await;
            open = shared.sockets.len();
            shared.drain.cancel();
            shared.sockets.wait().await;
            shared.tasks.wait().await;
        };
        tokio::select! {
            biased;
            () = all_finish => {}
            () = tokio::time::sleep(deadline) => {}
            () = shutdown.cutting() => {}
        }
        let cut = shared.sockets.len();
        shared.cut.cancel();
        if tokio::time::timeout(Self::LAST_POLL, shared.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = shared.tasks.len(), "tasks that were cut still run");
        }
        Drained { finished: open.saturating_sub(cut), cut }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.cut.cancel();
    }
}
