//! Decides which job runs next: a state machine without threads, clocks or wake-ups.
//!
//! Jobs wait in a slab and are linked into first-in-first-out lists, two for each lane: one for
//! jobs that were admitted before (`Again`: a conflict, a pass), one for new ones. Every change is
//! O(1) in the number of jobs, and O(n) in the number of lanes, which is small. The pool keeps the
//! machine under one mutex and decides there, so a job is either taken or cancelled, never both.
//!
//! A *permit* is the right to run one worker. It is taken when a worker is started and returned
//! when the worker leaves; between jobs the worker keeps it. One worker starts at a time: when it
//! has taken its job and more jobs wait, it starts the next one.

mod late;
#[cfg(test)]
mod tests;

use std::time::Instant;

pub(crate) use self::late::Late;

/// The end of a list, or a slot that is not linked.
const NONE: u32 = u32::MAX;

/// The maximum number of consecutive starts for jobs that were admitted before, while new ones
/// wait.
const AGAIN_IN_A_ROW: u8 = 7;

pub(crate) struct Queue<J> {
    slots: Vec<Slot<J>>,
    free: u32,
    lanes: Vec<Lane>,
    cap: usize,
    permits: usize,
    max_queue: usize,
    waiting: usize,
    /// The number of workers that were started or called for a job, and have not checked the queue
    /// yet.
    coming: usize,
    spinner: Spinner,
    sequence: u64,
    again_in_a_row: u8,
    closed: bool,
}

struct Slot<J> {
    generation: u32,
    // The neighbours in the job's list. In a free slot, `next` is the next free slot.
    previous: u32,
    next: u32,
    waiting: Option<Waiting<J>>,
}

struct Waiting<J> {
    job: J,
    lane: LaneIndex,
    rank: Rank,
    sequence: u64,
    since: Instant,
    /// Whether its long wait was reported.
    is_told: bool,
}

struct Lane {
    share: usize,
    running: usize,
    lists: [List; 2],
}

#[derive(Clone, Copy)]
struct List {
    head: u32,
    tail: u32,
}

impl List {
    const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };
}

pub(crate) type LaneIndex = u16;

/// Whether this request was admitted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    Again = 0,
    New = 1,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Spinner {
    Absent,
    Looking,
    Called,
}

/// The position of a job in the queue. It is stale once the job has been taken or cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    slot: u32,
    generation: u32,
}

/// The next action for the waiting jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Do nothing: all workers are busy, or one is about to check the queue.
    Wait,
    /// Start a worker, whose permit is already taken.
    Start,
    /// Call the spinning worker.
    Call,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Full,
    Closed,
}

/// A worker's next step.
pub(crate) enum Next<J> {
    /// Run this job, after the action for the others.
    Run {
        job: J,
        lane: LaneIndex,
        since: Instant,
        then: Then,
    },
    /// There is no job to run.
    Idle,
}

impl<J> Queue<J> {
    /// Creates a queue. `shares` has the maximum number of jobs that each lane may run at a time;
    /// lane 0 is the default lane.
    pub(crate) fn new(
        cap: usize,
        max_queue: usize,
        shares: impl IntoIterator<Item = usize>,
    ) -> Self {
        let lanes = shares.into_iter().map(|share| Lane {
            share,
            running: 0,
            lists: [List::EMPTY; 2],
        });
        Self {
            slots: Vec::new(),
            free: NONE,
            lanes: lanes.collect(),
            cap,
            permits: 0,
            max_queue,
            waiting: 0,
            coming: 0,
            spinner: Spinner::Absent,
            sequence: 0,
            again_in_a_row: 0,
            closed: false,
        }
    }

    pub(crate) fn cap(&self) -> usize {
        self.cap
    }

    pub(crate) fn permits(&self) -> usize {
        self.permits
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Returns whether a new job of the default lane would be refused.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting >= self.max_queue.saturating_add(self.room())
    }

    /// Returns the number of waiting jobs that can run without another one ending.
    fn room(&self) -> usize {
        let looking = usize::from(self.spinner == Spinner::Looking);
        self.coming + self.cap.saturating_sub(self.permits) + looking
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns the arrival time of the job that has waited longest.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let heads = self
            .lanes
            .iter()
            .flat_map(|lane| lane.lists.iter().map(|list| list.head));
        heads
            .filter_map(|head| self.waiting_at(head))
            .map(|waiting| waiting.since)
            .min()
    }

    /// Queues a job, or returns it if the queue is full or closed.
    pub(crate) fn admit(
        &mut self,
        job: J,
        lane: LaneIndex,
        rank: Rank,
        now: Instant,
    ) -> Result<(Ticket, Then), (J, Refused)> {
        if self.closed {
            return Err((job, Refused::Closed));
        }
        let Lane { running, share, .. } = self.lanes[usize::from(lane)];
        let may_run = running < share;
        // A job that was admitted before is never refused; the number of such jobs is limited where
        // they are suspended.
        let room = if may_run { self.room() } else { 0 };
        if rank == Rank::New && self.waiting >= self.max_queue.saturating_add(room) {
            return Err((job, Refused::Full));
        }
        self.sequence += 1;
        let ticket = self.link(Waiting {
            job,
            lane,
            rank,
            sequence: self.sequence,
            since: now,
            is_told: false,
        });
        Ok((ticket, self.summon()))
    }

    /// Asks for a worker if a job can run at once and no worker is on its way. Workers are started
    /// one at a time: each asks for the next when it has taken its job.
    fn summon(&mut self) -> Then {
        if self.coming > 0 || self.pick().is_none() {
            return Then::Wait;
        }
        if self.spinner == Spinner::Looking {
            self.spinner = Spinner::Called;
            self.coming += 1;
            return Then::Call;
        }
        if self.permits < self.cap {
            self.permits += 1;
            self.coming += 1;
            return Then::Start;
        }
        Then::Wait
    }

    /// Asks for a worker for something other than a job, if a permit is free. A worker that is on
    /// its way or spinning is sufficient.
    pub(crate) fn send_for_one(&mut self) -> Then {
        if self.coming > 0 || self.spinner != Spinner::Absent || self.permits >= self.cap {
            return Then::Wait;
        }
        self.permits += 1;
        self.coming += 1;
        Then::Start
    }

    /// Removes a waiting job from the queue. Returns `None` if a worker has already taken it.
    pub(crate) fn cancel(&mut self, ticket: Ticket) -> Option<J> {
        let slot = self.slots.get(ticket.slot as usize)?;
        (slot.generation == ticket.generation)
            .then(|| self.unlink(ticket.slot))?
            .map(|waiting| waiting.job)
    }

    /// Records that a worker which was started or called is about to check the queue for the first
    /// time.
    pub(crate) fn arrive(&mut self) {
        self.coming -= 1;
    }

    /// Records that a worker has run a job of this lane, if it had one.
    pub(crate) fn finish(&mut self, lane: Option<LaneIndex>) {
        if let Some(lane) = lane {
            self.lanes[usize::from(lane)].running -= 1;
        }
    }

    /// Returns the next job for a worker that holds a permit; `finished` is the lane of the job
    /// that it has just run.
    pub(crate) fn next(&mut self, finished: Option<LaneIndex>) -> Next<J> {
        self.finish(finished);
        let is_surplus = self.permits > self.cap;
        let Some(slot) = self.pick().filter(|_| !is_surplus) else {
            return Next::Idle;
        };
        let Some(Waiting {
            job,
            lane,
            rank,
            since,
            ..
        }) = self.unlink(slot)
        else {
            return Next::Idle;
        };
        self.again_in_a_row = if rank == Rank::Again {
            self.again_in_a_row.saturating_add(1)
        } else {
            0
        };
        self.lanes[usize::from(lane)].running += 1;
        Next::Run {
            job,
            lane,
            since,
            then: self.summon(),
        }
    }

    /// Returns whether the caller, a worker without a job, may spin for a moment. At most one
    /// worker spins.
    pub(crate) fn spin(&mut self) -> bool {
        let may = self.spinner == Spinner::Absent && !self.closed && self.permits <= self.cap;
        if may {
            self.spinner = Spinner::Looking;
        }
        may
    }

    /// Ends a spin. Returns `true` if the worker was called for a job.
    pub(crate) fn stop_spinning(&mut self) -> bool {
        let called = self.spinner == Spinner::Called;
        self.spinner = Spinner::Absent;
        if called {
            self.arrive();
        }
        called
    }

    /// Returns a worker's permit. The worker may have had to leave while there is a job that the
    /// spinning worker can take.
    pub(crate) fn leave(&mut self) -> Then {
        self.permits -= 1;
        self.summon()
    }

    /// Records that a started worker never arrived. No other is started, because it would fail as
    /// well. If there are running workers, they will take the waiting jobs.
    pub(crate) fn give_up(&mut self) {
        self.coming -= 1;
        self.permits -= 1;
    }

    /// Records that a worker broke down, during a job of lane `running` if it had one.
    pub(crate) fn break_down(&mut self, running: Option<LaneIndex>) -> Then {
        self.finish(running);
        self.leave()
    }

    /// Changes the number of permits. Surplus permits are returned between two jobs.
    pub(crate) fn resize(&mut self, cap: usize) -> Then {
        self.cap = cap;
        self.summon()
    }

    /// Changes the share of a lane.
    pub(crate) fn share(&mut self, lane: LaneIndex, share: usize) -> Then {
        self.lanes[usize::from(lane)].share = share;
        self.summon()
    }

    /// Changes the maximum number of waiting jobs. Jobs that already wait stay.
    pub(crate) fn set_max(&mut self, max_queue: usize) {
        self.max_queue = max_queue;
    }

    /// Admits no more jobs.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Removes all waiting jobs from the queue and returns them.
    pub(crate) fn drain(&mut self) -> Vec<J> {
        let slots = 0..u32::try_from(self.slots.len()).unwrap_or(NONE);
        slots
            .filter_map(|slot| self.unlink(slot))
            .map(|waiting| waiting.job)
            .collect()
    }

    /// Returns the slot of the next job, among the lanes below their share. Jobs that were admitted
    /// before go first, but at most seven times in a row; otherwise the oldest job is next.
    fn pick(&self) -> Option<u32> {
        let again = self.oldest_of(Rank::Again);
        let new = self.oldest_of(Rank::New);
        if self.again_in_a_row >= AGAIN_IN_A_ROW {
            new.or(again)
        } else {
            again.or(new)
        }
    }

    fn oldest_of(&self, rank: Rank) -> Option<u32> {
        let open = self.lanes.iter().filter(|lane| lane.running < lane.share);
        let heads = open
            .map(|lane| lane.lists[rank as usize].head)
            .filter(|head| *head != NONE);
        heads.min_by_key(|head| self.waiting_at(*head).map(|waiting| waiting.sequence))
    }

    fn waiting_at(&self, slot: u32) -> Option<&Waiting<J>> {
        self.slots.get(slot as usize)?.waiting.as_ref()
    }

    fn link(&mut self, waiting: Waiting<J>) -> Ticket {
        let lane = usize::from(waiting.lane);
        let rank = waiting.rank as usize;
        let previous = self.lanes[lane].lists[rank].tail;
        let index = match self.free {
            NONE => {
                // This never overflows, because four billion jobs do not fit into memory.
                let index = u32::try_from(self.slots.len()).unwrap_or(NONE);
                self.slots.push(Slot {
                    generation: 0,
                    previous,
                    next: NONE,
                    waiting: Some(waiting),
                });
                index
            }
            index => {
                let slot = &mut self.slots[index as usize];
                self.free = slot.next;
                (slot.previous, slot.next, slot.waiting) = (previous, NONE, Some(waiting));
                index
            }
        };
        match previous {
            NONE => self.lanes[lane].lists[rank].head = index,
            previous => self.slots[previous as usize].next = index,
        }
        self.lanes[lane].lists[rank].tail = index;
        self.waiting += 1;
        Ticket {
            slot: index,
            generation: self.slots[index as usize].generation,
        }
    }

    fn unlink(&mut self, index: u32) -> Option<Waiting<J>> {
        let slot = &mut self.slots[index as usize];
        let waiting = slot.waiting.take()?;
        let previous = slot.previous;
        let next = slot.next;
        slot.generation = slot.generation.wrapping_add(1);
        slot.next = self.free;
        self.free = index;
        let list = &mut self.lanes[usize::from(waiting.lane)].lists[waiting.rank as usize];
        match previous {
            NONE => list.head = next,
            previous => self.slots[previous as usize].next = next,
        }
        let list = &mut self.lanes[usize::from(waiting.lane)].lists[waiting.rank as usize];
        match next {
            NONE => list.tail = previous,
            next => self.slots[next as usize].previous = previous,
        }
        self.waiting -= 1;
        Some(waiting)
    }
}
