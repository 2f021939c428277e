//! What runs now: one seat for each worker, under the pool's lock.

use euryale_core::{History, Route};
use tokio::time::Instant;

use crate::queue::LaneIndex;

/// Whose a job is, as far as its claim says.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) route: Option<Route>,
    pub(crate) history: History,
}

/// A job in its worker.
pub(crate) struct Running {
    pub(crate) about: About,
    pub(crate) lane: LaneIndex,
    pub(crate) since: Instant,
    /// It was logged as one that takes long.
    pub(crate) is_logged: bool,
}

impl Running {
    pub(crate) fn new(about: About, lane: LaneIndex, since: Instant) -> Self {
        Self { about, lane, since, is_logged: false }
    }
}

/// A worker's number among the seats, from its first job until it leaves.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seat(Option<usize>);

/// As many as there ever were workers at a time. To sit down and to rise is O(1) and allocates nothing, once
/// they are there.
#[derive(Default)]
pub(crate) struct Seats {
    seats: Vec<Option<Running>>,
    free: Vec<usize>,
}

impl Seats {
    /// A worker begins a job.
    pub(crate) fn take(&mut self, seat: &mut Seat, running: Running) {
        let number = *seat.0.get_or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.seats.push(None);
                self.seats.len() - 1
            })
        });
        self.seats[number] = Some(running);
    }

    /// Its job has ended.
    pub(crate) fn clear(&mut self, seat: Seat) {
        if let Some(number) = seat.0 {
            self.seats[number] = None;
        }
    }

    /// It ends.
    pub(crate) fn leave(&mut self, seat: &mut Seat) {
        self.clear(*seat);
        self.free.extend(seat.0.take());
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Running> {
        self.seats.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Running> {
        self.seats.iter_mut().flatten()
    }
}
