//! A claim: what a request needs to enter the pool's queue.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use euryale_core::error::UNAVAILABLE;
use euryale_core::request::{Route, Times};
use euryale_core::transaction::{Claim, History, Lease, StopWhen};
use euryale_core::{Database, Error};

use crate::queue::{LaneIndex, Rank};
use crate::state::seats::About;
use crate::state::{Lane, SharedPool};
use crate::worker::carry_out;

/// A claim on a pool's connections, which [`Pool::claim`](crate::Pool::claim) makes and a job uses
/// up.
///
/// ```
/// use euryale_connection::Pool;
/// use euryale_core::request::Route;
/// use euryale_test::CountingDatabase; // stands for your database
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), euryale_core::Error> {
/// let pool = Pool::builder(CountingDatabase::new()).connections(4).lane("reports", 1).build();
/// let reports = pool.lane("reports").expect("it was built with it");
/// let claim = pool.claim().lane(reports).route(Route::new("/reports/{year}"));
/// // While it runs, or waits long, `Pool::status` and the log name the route.
/// let sum = claim.on_connection(|connection| connection.id()).await?;
/// # assert_eq!(sum, 1);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct PoolClaim<D: Database> {
    pub(crate) shared: Arc<SharedPool<D>>,
    lane: LaneIndex,
    rank: Rank,
    deadline: Option<Duration>,
    pub(crate) about: About,
}

impl<D: Database> PoolClaim<D> {
    pub(crate) fn new(shared: Arc<SharedPool<D>>) -> Self {
        Self {
            shared,
            lane: 0,
            rank: Rank::New,
            deadline: None,
            about: About::default(),
        }
    }

    /// Sets the lane in which the job waits.
    ///
    /// # Panics
    /// The lane belongs to another pool.
    pub fn lane(mut self, lane: Lane) -> Self {
        self.lane = self.shared.index_of(lane);
        self
    }

    /// Sets the maximum time that the job waits in the queue, if that is shorter than the pool's
    /// `max_wait`.
    pub fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// Sets whether the request was admitted before, and is queued again after a conflict or for
    /// another pass. Such a request goes ahead of new work, and is not refused if the queue is
    /// full.
    pub fn again(mut self, again: bool) -> Self {
        self.rank = if again { Rank::Again } else { Rank::New };
        self
    }

    /// Sets the history of the request. A request that was admitted before goes ahead, as with
    /// [`again`](PoolClaim::again). The pool's status shows the numbers of its attempt and its
    /// pass.
    pub fn history(mut self, history: History) -> Self {
        self.about.history = history;
        self.again(history.is_again())
    }

    /// Sets the route of the job. The pool's status and log show it while the job runs.
    pub fn route(mut self, route: Route) -> Self {
        self.about.route = Some(route);
        self
    }

    /// Records how long the job waits and runs.
    pub fn times(mut self, times: Times) -> Self {
        self.about.times = Some(times);
        self
    }

    /// Runs `job` on a connection, in a worker, without a transaction. The job is queued by this
    /// call, before the future is polled.
    ///
    /// # Errors
    /// Those of [`Pool::run`](crate::Pool::run).
    pub fn on_connection<T, F>(
        self,
        job: F,
    ) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut D::Connection) -> T + Send + 'static,
        T: Send + 'static,
    {
        let done = self.run(move |lease| match lease.connection() {
            Ok(connection) => Ok(job(connection)),
            Err(unavailable) => Err(Error::with_source(UNAVAILABLE, unavailable)),
        });
        async move { done.await? }
    }

    /// Returns another claim with the same settings.
    pub(crate) fn same(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            lane: self.lane,
            rank: self.rank,
            deadline: self.deadline,
            about: self.about.clone(),
        }
    }
}

impl<D: Database> Claim for PoolClaim<D> {
    type Database = D;

    fn stop_when(mut self, when: StopWhen) -> Self {
        self.about.stop_when = when;
        self
    }

    fn history(self, history: History) -> Self {
        PoolClaim::history(self, history)
    }

    fn run<T, F>(self, job: F) -> impl Future<Output = Result<T, Error>> + Send + 'static
    where
        F: FnOnce(&mut Lease<'_, D>) -> T + Send + 'static,
        T: Send + 'static,
    {
        let admitted = self
            .shared
            .admit(job, self.lane, self.rank, self.about, self.deadline);
        // An async block would store the waiting job twice.
        let mut admitted = admitted
            .map(|(waiting, todo)| {
                carry_out(&self.shared, todo);
                waiting
            })
            .map_err(Some);
        poll_fn(move |cx| match &mut admitted {
            Ok(waiting) => Pin::new(waiting).poll(cx),
            // A future that is polled after completion, against the contract, is pending forever.
            Err(refused) => refused
                .take()
                .map_or(Poll::Pending, |refused| Poll::Ready(Err(refused))),
        })
    }
}

impl<D: Database> fmt::Debug for PoolClaim<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolClaim")
            .field("lane", &self.lane)
            .field("rank", &self.rank)
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}
