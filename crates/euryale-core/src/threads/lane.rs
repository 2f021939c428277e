//! A bounded number of blocking threads for one kind of work.

mod size;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use self::size::{Permit, SharedLane};
use crate::error::{Error, LANE_FULL, NO_WORKER, PanicMessage, WOULD_DEADLOCK};
use crate::ledger::{GaugeGuard, LaneMeter, Ledger};
use crate::threads::{Done, Work};

/// A bounded share of tokio's blocking threads, reserved for one kind of work. Clones are handles
/// to the same lane.
///
/// tokio's blocking pool has no useful bound: work that finds no thread waits in one queue with
/// everything else that blocks in the program, including publishers. A lane never puts more into
/// that queue than its own threads can run; the rest waits in the lane, where it can be dropped. A
/// lane declares its threads in the [ledger](Self::ledger) that it counts in. If the runtime has as
/// many threads as were declared there, no lane waits for another. The facade's `runtime` builds
/// such a runtime.
///
/// ```
/// use euryale_core::Ledger;
/// use euryale_core::threads::BlockingLane;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let ledger = Ledger::new();
/// let lane = BlockingLane::new("thumbnails", 2).max_waiting(64).ledger(ledger.clone());
/// assert_eq!(lane.run(|| 6 * 7).await.unwrap(), 42);
/// assert_eq!(ledger.lanes.of("thumbnails").running.peak(), 1);
/// assert_eq!(ledger.threads.all(), [("thumbnails", 2)]);
/// # }
/// ```
///
/// # Cancellation
/// Dropping a waiting future removes it from the lane. Work that has its turn but no thread yet is
/// not started if its future was dropped. Running work cannot be stopped: it keeps its turn until
/// it returns, and its result is dropped in its thread.
///
/// # Backpressure
/// First come, first served. [`max_waiting`](Self::max_waiting) limits the number of waiting
/// futures. Without it, something else must limit them, as connections limit bodies.
///
/// # Errors
/// [`LANE_FULL`], at once. [`NO_WORKER`]: the system refuses a thread, or there is no tokio
/// runtime, or it is ending; the work never runs, and its turn is free.
/// [`PANICKED`](crate::error::PANICKED), with a [`PanicMessage`] as its source; the thread
/// continues. [`WOULD_DEADLOCK`]: a thread of this lane waits for the lane, and so possibly for
/// itself.
#[derive(Clone)]
#[must_use]
pub struct BlockingLane {
    name: &'static str,
    shared: Arc<SharedLane>,
    max_threads: usize,
    max_waiting: usize,
    meter: Arc<LaneMeter>,
    ledger: Option<Ledger>,
}

thread_local! {
    /// The lane to which this thread belongs, identified by the address of its shared state.
    static LANE: Cell<usize> = const { Cell::new(0) };
}

impl BlockingLane {
    /// Creates a lane of `threads` threads, at least 1, in which any number of futures may wait.
    /// The ledger counts it by its name.
    pub fn new(name: &'static str, threads: usize) -> Self {
        Self {
            name,
            shared: SharedLane::new(name, threads),
            max_threads: 0,
            max_waiting: usize::MAX,
            meter: Arc::default(),
            ledger: None,
        }
    }

    /// Creates a lane for long computations, such as a PDF or a picture. It has one thread for each
    /// core and a queue of 64, and the ledger counts it as `cpu`.
    ///
    /// ```
    /// use euryale_core::threads::BlockingLane;
    /// use euryale_core::{Body, Error, Response};
    ///
    /// fn publish(cpu: &BlockingLane) -> Result<Response, Error> {
    ///     // Before the commit: a full lane refuses a request of which nothing was done.
    ///     let place = cpu.reserve()?;
    ///     // No worker is held while it waits for a core, nor while it has one.
    ///     let body = Body::deferred(async move {
    ///         let pdf = place.run(|| vec![b'%'; 100]).await?;
    ///         Ok::<_, Error>(Response::new(Body::from(pdf)))
    ///     });
    ///     Ok(Response::new(body))
    /// }
    /// # publish(&BlockingLane::cpu()).unwrap();
    /// ```
    pub fn cpu() -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::new("cpu", cores).max_waiting(64)
    }

    /// The lane of bodies without a layer, one for the whole process.
    pub(crate) fn without_layer() -> Self {
        super::without_layer::ANY_THREAD.clone()
    }

    /// Sets how many futures may wait for a thread; further ones are refused. Default: no limit.
    pub fn max_waiting(mut self, most: usize) -> Self {
        self.max_waiting = most;
        self
    }

    /// Counts the lane in this ledger, and [declares](Self::declare) its threads there. Default: no
    /// ledger.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.meter = ledger.lanes.of(self.name);
        self.declare(&ledger);
        self.ledger = Some(ledger);
        self
    }

    /// Declares the lane's threads in this ledger without counting its work there, for a lane that
    /// is not counted before its first use.
    pub fn declare(&self, ledger: &Ledger) {
        ledger.threads.declare(&self.shared.bound);
    }

    /// Sets the maximum for [`resize`](Self::resize), which the lane declares instead of its
    /// current size. Default: the number of threads it was created with.
    pub fn max_threads(mut self, most: usize) -> Self {
        self.max_threads = most;
        self.shared.bound.raise(most);
        self
    }

    /// Returns another lane with the same name and settings and with `threads` threads.
    pub fn resized(self, threads: usize) -> Self {
        let Self {
            name,
            max_threads,
            max_waiting,
            meter,
            ledger,
            ..
        } = self;
        let resized = Self {
            max_waiting,
            meter,
            ..Self::new(name, threads).max_threads(max_threads)
        };
        match ledger {
            Some(ledger) => resized.ledger(ledger),
            None => resized,
        }
    }

    /// Changes the number of threads of this lane and all of its handles at once: at least 1, and
    /// at most the declared [maximum](Self::max_threads). Work that has its turn runs to its end.
    ///
    /// ```
    /// use euryale_core::threads::BlockingLane;
    ///
    /// let lane = BlockingLane::new("thumbnails", 2).max_threads(8);
    /// lane.resize(6); // when the settings were read again
    /// assert_eq!(lane.threads(), 6);
    /// lane.resize(100);
    /// assert_eq!(lane.threads(), 8);
    /// ```
    pub fn resize(&self, threads: usize) {
        self.shared.resize(threads);
    }

    /// Returns how many of the runtime's blocking threads the lane may use at the same time.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.threads()
    }

    /// Runs `work` when it has its turn, in the current span.
    ///
    /// # Errors
    /// See [above](Self#errors).
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.enter().await?.start(work)?.await
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`LANE_FULL`], [`WOULD_DEADLOCK`].
    pub async fn enter(&self) -> Result<Turn, Error> {
        self.check_thread()?;
        self.reserve()?.enter().await
    }

    /// Takes a place at once: a turn if there is one, and otherwise a place in the queue. A place
    /// is never refused later, so it can be taken before a step that cannot be undone and used
    /// after it.
    ///
    /// # Errors
    /// [`LANE_FULL`].
    pub fn reserve(&self) -> Result<Place, Error> {
        if let Ok(permit) = Arc::clone(&self.shared.turns).try_acquire_owned() {
            return Ok(Place(Kept::Turn(self.turn(permit))));
        }
        self.wait(self.max_waiting)
    }

    /// Waits for a turn, however many others wait: for work that must not be refused any more. The
    /// caller limits the number of such calls.
    ///
    /// # Errors
    /// [`WOULD_DEADLOCK`].
    pub async fn enter_unrefused(&self) -> Result<Turn, Error> {
        self.wait(usize::MAX)?.enter().await
    }

    /// Takes a turn if one is free.
    ///
    /// # Errors
    /// [`LANE_FULL`].
    pub fn try_enter(&self) -> Result<Turn, Error> {
        let permit = Arc::clone(&self.shared.turns)
            .try_acquire_owned()
            .map_err(|_| self.full())?;
        Ok(self.turn(permit))
    }

    fn check_thread(&self) -> Result<(), Error> {
        if LANE.get() == self.id() {
            return Err(Error::new(WOULD_DEADLOCK));
        }
        Ok(())
    }

    /// Takes a place in the queue, if fewer than `most` are taken.
    fn wait(&self, most: usize) -> Result<Place, Error> {
        let waiting = WaitingCount::begin(self, most).ok_or_else(|| self.full())?;
        Ok(Place(Kept::Waiting(waiting)))
    }

    fn turn(&self, permit: OwnedSemaphorePermit) -> Turn {
        self.meter.running.add(1);
        let running = RunningCount(Arc::clone(&self.meter));
        Turn {
            _also: None,
            _running: running,
            permit: Permit::new(permit, Arc::clone(&self.shared)),
        }
    }

    fn full(&self) -> Error {
        self.meter.refused.add(1);
        Error::new(LANE_FULL)
    }

    fn id(&self) -> usize {
        id(&self.shared)
    }
}

impl fmt::Debug for BlockingLane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingLane")
            .field("name", &self.name)
            .field("threads", &self.threads())
            .field("free", &self.shared.turns.available_permits())
            .field("waiting", &self.shared.waiting.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

fn id(lane: &Arc<SharedLane>) -> usize {
    Arc::as_ptr(lane).addr()
}

/// A place in a [`BlockingLane`], taken by [`reserve`](BlockingLane::reserve). It is returned when
/// it is dropped.
#[must_use]
pub struct Place(Kept);

enum Kept {
    Turn(Turn),
    Waiting(WaitingCount),
}

impl Place {
    /// Waits for its turn. Turns are given in the order in which they were awaited.
    ///
    /// # Errors
    /// [`WOULD_DEADLOCK`].
    pub async fn enter(self) -> Result<Turn, Error> {
        let waiting = match self.0 {
            Kept::Turn(turn) => return Ok(turn),
            Kept::Waiting(waiting) => waiting,
        };
        let lane = &waiting.0;
        lane.check_thread()?;
        // The semaphore is never closed.
        let permit = Arc::clone(&lane.shared.turns).acquire_owned().await;
        permit
            .map(|permit| lane.turn(permit))
            .map_err(|_| Error::new(NO_WORKER))
    }

    /// Takes a turn if one is free.
    ///
    /// # Errors
    /// The place itself, if it has to wait.
    pub fn try_enter(self) -> Result<Turn, Self> {
        match self.0 {
            Kept::Turn(turn) => Ok(turn),
            waiting @ Kept::Waiting(_) => Err(Self(waiting)),
        }
    }

    /// Runs `work` when it has its turn, in the current span.
    ///
    /// # Errors
    /// Those of a [lane](BlockingLane#errors), except for [`LANE_FULL`].
    pub async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        self.enter().await?.start(work)?.await
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waits = matches!(self.0, Kept::Waiting(_));
        f.debug_struct("Place").field("waits", &waits).finish()
    }
}

/// A turn in a [`BlockingLane`], for one piece of work on one thread. It is returned when it is
/// dropped, or when its work is done.
#[must_use]
pub struct Turn {
    // Dropped in this order: when a turn is free, it is no longer counted.
    _also: Option<GaugeGuard>,
    _running: RunningCount,
    permit: Permit,
}

impl Turn {
    /// Also counts the turn by this guard for as long as it is held.
    pub fn counted(self, guard: GaugeGuard) -> Self {
        Self {
            _also: Some(guard),
            ..self
        }
    }

    /// Starts `work` in the current span. The turn is free by the time the result is visible.
    ///
    /// # Errors
    /// [`NO_WORKER`]; `work` then never runs.
    pub fn start<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Done<T>, Error> {
        let (work, done) = Work::new(work);
        self.run(work)?;
        Ok(done)
    }

    /// Starts `work` whose result is already awaited.
    ///
    /// # Errors
    /// [`NO_WORKER`]; `work` then never runs.
    #[expect(clippy::disallowed_methods, reason = "the lane: its turns bound it")]
    pub fn run(self, work: Work) -> Result<(), Error> {
        let runtime =
            Handle::try_current().map_err(|error| Error::with_source(NO_WORKER, error))?;
        // If no thread can be started, tokio panics, but keeps the closure until there is one:
        // neither work nor turn may stay in it.
        let kept = Arc::new(Mutex::new(Some((work, self))));
        let taken = Arc::clone(&kept);
        let run = move || {
            if let Some((work, turn)) = take(&taken) {
                let _mark = Mark::set(id(turn.permit.lane()));
                work.run(turn);
            }
        };
        PanicMessage::catch(|| runtime.spawn_blocking(run))
            .map(drop)
            .map_err(|panic| {
                drop(take(&kept));
                Error::with_source(NO_WORKER, panic)
            })
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Turn")
    }
}

fn take<T>(kept: &Mutex<Option<T>>) -> Option<T> {
    kept.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Counts a piece of running work.
struct RunningCount(Arc<LaneMeter>);

impl Drop for RunningCount {
    fn drop(&mut self) {
        self.0.running.add(-1);
    }
}

/// Counts a waiting future.
struct WaitingCount(BlockingLane);

impl WaitingCount {
    fn begin(lane: &BlockingLane, most: usize) -> Option<Self> {
        let one_more = |waiting| (waiting < most).then_some(waiting + 1);
        lane.shared
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more)
            .ok()?;
        lane.meter.waiting.add(1);
        Some(Self(lane.clone()))
    }
}

impl Drop for WaitingCount {
    fn drop(&mut self) {
        self.0.meter.waiting.add(-1);
        self.0.shared.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Marks this thread as belonging to a lane, as long as this value exists.
struct Mark;

impl Mark {
    fn set(lane: usize) -> Self {
        LANE.set(lane);
        Self
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        LANE.set(0);
    }
}
