//! The running jobs: one seat for each worker, protected by the pool's lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use euryale_core::Database;
use euryale_core::request::{Route, Stage, Times};
use euryale_core::transaction::{History, Phase, StopWhen};
use tokio::time::Instant;

use crate::job::Job;
use crate::queue::LaneIndex;

/// The origin of a job, as given by its claim.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) route: Option<Route>,
    pub(crate) history: History,
    pub(crate) times: Option<Times>,
    pub(crate) stop_when: StopWhen,
}

impl About {
    /// Records how long the job was queued.
    pub(crate) fn waited(&self, time: Duration) {
        if let Some(times) = &self.times {
            times.spent(Stage::Queued, time);
        }
    }
}

/// A running job.
pub(crate) struct RunningJob<D: Database> {
    /// The handle to stop the job. Dropping it does not drop values of the application, because a
    /// job that has begun holds either its result for its future, or nothing.
    pub(crate) job: Arc<dyn Job<D>>,
    pub(crate) about: About,
    pub(crate) lane: LaneIndex,
    pub(crate) since: Instant,
    /// How long the job was queued before.
    pub(crate) waited: Duration,
    /// Whether the job was logged because it takes long.
    pub(crate) is_logged: bool,
    /// The time at which the job will be stopped. `None` if it has no deadline or has been stopped.
    pub(crate) until: Option<Instant>,
}

impl<D: Database> RunningJob<D> {
    /// Creates the entry of a job that begins at `now` and was queued at `since`.
    pub(crate) fn new(
        job: Arc<dyn Job<D>>,
        about: About,
        lane: LaneIndex,
        now: Instant,
        since: std::time::Instant,
    ) -> Self {
        let waited = now.into_std().saturating_duration_since(since);
        about.waited(waited);
        Self {
            job,
            // A time beyond the end of the clock is not a bound.
            until: about.stop_when.after.and_then(|age| now.checked_add(age)),
            about,
            lane,
            since: now,
            waited,
            is_logged: false,
        }
    }

    /// Records that the job has ended.
    pub(crate) fn ended(&self, now: Instant) {
        if let Some(times) = &self.about.times {
            times.spent(Stage::Working, now.saturating_duration_since(self.since));
        }
    }
}

/// The phase of the job in a seat. Its worker writes it without the lock, and reports read it.
#[derive(Clone, Default)]
pub(crate) struct PhaseCell(Arc<AtomicU8>);

impl PhaseCell {
    /// Sets the phase, and returns the previous one.
    pub(crate) fn enter(&self, phase: Phase) -> Phase {
        let before = self.get();
        // Only one thread writes it, and no other memory depends on it.
        self.0.store(phase as u8, Ordering::Relaxed);
        before
    }

    pub(crate) fn get(&self) -> Phase {
        Phase::ALL
            .get(usize::from(self.0.load(Ordering::Relaxed)))
            .copied()
            .unwrap_or_default()
    }
}

/// A worker's seat number, from its first job until it leaves.
#[derive(Clone, Default)]
pub(crate) struct Seat(Option<(usize, PhaseCell)>);

impl Seat {
    /// Sets the job's phase, and returns the previous one.
    pub(crate) fn enter(&self, phase: Phase) -> Phase {
        self.0
            .as_ref()
            .map_or_else(Phase::default, |(_, cell)| cell.enter(phase))
    }
}

/// All seats, as many as there ever were workers at a time. Taking and leaving an existing seat is
/// O(1) and does not allocate.
pub(crate) struct Seats<D: Database> {
    seats: Vec<(Option<RunningJob<D>>, PhaseCell)>,
    free: Vec<usize>,
}

impl<D: Database> Default for Seats<D> {
    fn default() -> Self {
        Self {
            seats: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<D: Database> Seats<D> {
    /// Records that a worker begins a job.
    pub(crate) fn take(&mut self, seat: &mut Seat, running: RunningJob<D>) {
        let (number, phase) = seat.0.get_or_insert_with(|| {
            let number = self.free.pop().unwrap_or_else(|| {
                self.seats.push((None, PhaseCell::default()));
                self.seats.len() - 1
            });
            (number, self.seats[number].1.clone())
        });
        phase.enter(Phase::Publishing);
        self.seats[*number].0 = Some(running);
    }

    /// Removes and returns the entry of a job that has ended.
    pub(crate) fn clear(&mut self, seat: &Seat) -> Option<RunningJob<D>> {
        let (number, _) = seat.0.as_ref()?;
        self.seats[*number].0.take()
    }

    /// Frees the seat of a worker that ends.
    pub(crate) fn leave(&mut self, seat: &mut Seat) {
        self.clear(seat);
        self.free.extend(seat.0.take().map(|(number, _)| number));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&RunningJob<D>, Phase)> {
        self.seats
            .iter()
            .filter_map(|(running, phase)| Some((running.as_ref()?, phase.get())))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&mut RunningJob<D>, Phase)> {
        self.seats
            .iter_mut()
            .filter_map(|(running, phase)| Some((running.as_mut()?, phase.get())))
    }
}
