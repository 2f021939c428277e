//! A running server, and its drain.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use euryale_core::{BoxError, Ledger};
use euryale_sendfile::SendfileCounts;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service;

use crate::accept::accept;
use crate::admission::Admission;
use crate::context::ServerContext;
use crate::edge::MakeEdge;
use crate::incoming::Incoming;
use crate::listener::Listener;
use crate::polls::Polls;
use crate::shutdown::Shutdown;
use crate::slowest::Slowest;

/// The result of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// The number of sockets that ended between the beginning of the drain and its deadline,
    /// including idle ones and those that were accepted in this time.
    pub finished: usize,
    /// The number of sockets that were still open at the deadline.
    pub cut: usize,
}

impl Drained {
    /// Returns whether nothing had to be cut.
    pub fn is_complete(&self) -> bool {
        self.cut == 0
    }
}

/// Accept loops and conversations. Dropping it cuts all sockets.
#[derive(Debug)]
pub(crate) struct RunningServer {
    shared: Arc<ServerContext>,
    accepting: TaskTracker,
    is_draining: Arc<AtomicBool>,
}

impl RunningServer {
    /// The time for tasks to end after the cut. They need longer only if user code blocks a runtime
    /// thread.
    const LAST_POLL: Duration = Duration::from_millis(500);

    pub(crate) fn start<S, B>(
        admission: Arc<Admission>,
        (ledger, slowest, polls): (Ledger, Option<Slowest>, Option<Polls>),
        listeners: Vec<Listener>,
        service: S,
    ) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let cut = CancellationToken::new();
        let shared = Arc::new(ServerContext {
            admission,
            book: ledger.of(),
            sendfile: SendfileCounts::new(ledger.clone()),
            ledger,
            sockets: TaskTracker::new(),
            opened: AtomicUsize::new(0),
            reusable: TaskTracker::new(),
            stop_inherited: cut.child_token(),
            stop: cut.child_token(),
            drain: CancellationToken::new(),
            close_idle: CancellationToken::new(),
            cut,
        });
        let is_draining = Arc::new(AtomicBool::new(false));
        let make = MakeEdge::new(service, Arc::clone(&is_draining), (slowest, polls));
        let accepting = TaskTracker::new();
        for listener in listeners {
            accepting.spawn(accept(listener, make.clone(), shared.clone()));
        }
        Self {
            shared,
            accepting,
            is_draining,
        }
    }

    /// Returns freed memory to the system until everything is cut. The memory is that of the
    /// process, so one of its servers is enough.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pub(crate) fn keep_heap_small(&self, lane: euryale_core::threads::BlockingLane) {
        let cut = self.shared.cut.clone();
        let keep_small = crate::heap::keep_small(lane, self.shared.ledger.clone());
        tokio::spawn(cut.run_until_cancelled_owned(keep_small));
    }

    /// Drains: lame duck ⇒ stop accepting and let conversations finish ⇒ cut the rest at the
    /// deadline, or when `shutdown` cuts.
    pub(crate) async fn drain(
        self,
        lame_duck: Duration,
        deadline: Duration,
        shutdown: &Shutdown,
    ) -> Drained {
        let Self {
            shared,
            accepting,
            is_draining,
        } = &self;
        let tasks = shared.admission.tasks();
        is_draining.store(true, Ordering::Relaxed);
        for tracker in [accepting, &shared.sockets, &shared.reusable, tasks] {
            tracker.close();
        }
        let open = shared.sockets.len();
        let opened = shared.opened.load(Ordering::Relaxed);
        shared.stop_inherited.cancel();
        shared.drain.cancel();
        let all_finish = async {
            // The other half is for requests that are in flight at its end.
            let lame_duck = lame_duck.min(deadline / 2);
            if !lame_duck.is_zero() {
                tokio::select! {
                    biased;
                    () = shutdown.hurrying() => {}
                    () = shared.reusable.wait() => {}
                    () = tokio::time::sleep(lame_duck) => {}
                }
            }
            shared.stop.cancel();
            accepting.wait().await;
            shared.close_idle.cancel();
            shared.sockets.wait().await;
            tasks.wait().await;
        };
        tokio::select! {
            biased;
            () = all_finish => {}
            () = tokio::time::sleep(deadline) => shutdown.deadline_passed(),
            () = shutdown.cutting() => {}
        }
        let cut = shared.sockets.len();
        let since = shared.opened.load(Ordering::Relaxed) - opened;
        let finished = (open + since).saturating_sub(cut);
        shared.cut.cancel();
        if tokio::time::timeout(Self::LAST_POLL, tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(tasks = tasks.len(), "tasks that were cut still run");
        }
        Drained { finished, cut }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.shared.cut.cancel();
    }
}
