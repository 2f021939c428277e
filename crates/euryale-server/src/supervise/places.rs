//! The places of a supervisor: the child that serves in each place, and the child that starts
//! there.
//!
//! A place is empty ⇒ a child starts ⇒ the child is ready and serves. If it dies ⇒ the place is
//! empty, and the next child starts after a pause. In a roll, the next child of a place starts
//! while the old one serves.

use std::io;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::child::{Child, Ended, Event, Leaving};

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A child that has served for this long counts as able to run.
const STEADY: Duration = Duration::from_secs(10);

/// The place of a process, in which one child follows another.
#[derive(Debug)]
struct Place {
    serving: Option<Child>,
    /// The child that takes over once it is ready.
    next: Option<Child>,
    /// The time at which the next child is started.
    retry: Option<Instant>,
    pause: Duration,
    /// The number of children in a row that died before they were ready.
    deaths: u32,
}

impl Place {
    fn new() -> Self {
        Self {
            serving: None,
            next: None,
            retry: None,
            pause: FIRST_PAUSE,
            deaths: 0,
        }
    }

    fn has(&self, number: u64) -> bool {
        let has = |child: &Option<Child>| child.as_ref().is_some_and(|it| it.number == number);
        has(&self.serving) || has(&self.next)
    }

    fn pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        self.retry = Some(Instant::now() + pause);
        pause
    }
}

/// An event that the parent logs and reports.
#[derive(Debug)]
pub(super) enum News {
    /// For the first time all places have a child that is ready.
    Up,
    /// The first children cannot run.
    Failed(io::Error),
    RollBegan,
    /// Every child has been replaced.
    Rolled,
    /// The old children continue to serve.
    RollStopped(io::Error),
}

/// Starts a child in the place with this index.
type Start<'a> = dyn FnMut(usize) -> io::Result<Child> + 'a;

#[derive(Debug)]
pub(super) struct Places {
    places: Vec<Place>,
    /// The place whose child is being replaced.
    rolling: Option<usize>,
    /// Whether a roll was requested that cannot begin yet.
    is_asked: bool,
    is_up: bool,
    /// The number of children in a row that may die before they are ready, until the roll or the
    /// start is given up.
    attempts: u32,
    /// Whether any child has been ready.
    has_served: bool,
    /// The children that a roll has replaced, until they end.
    leaving: Vec<Leaving>,
    news: Vec<News>,
}

impl Places {
    pub(super) fn new(count: usize, attempts: u32) -> Self {
        Self {
            places: (0..count).map(|_| Place::new()).collect(),
            rolling: None,
            is_asked: false,
            is_up: false,
            attempts,
            has_served: false,
            leaving: Vec::new(),
            news: Vec::new(),
        }
    }

    /// Returns what has happened since the last call.
    pub(super) fn news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Starts the first child. The others follow once it is ready, so that they find whatever it
    /// has created.
    pub(super) fn begin(&mut self, start: &mut Start<'_>) {
        self.start(0, start);
    }

    /// Returns the time at which [`start_due`](Self::start_due) has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.places.iter().filter_map(|place| place.retry).min()
    }

    pub(super) fn start_due(&mut self, start: &mut Start<'_>) {
        let now = Instant::now();
        for index in 0..self.places.len() {
            if self.places[index].retry.is_some_and(|at| at <= now) {
                self.start(index, start);
            }
        }
    }

    /// Replaces every child, one after another. If a roll is in progress, another one follows it.
    pub(super) fn roll(&mut self, start: &mut Start<'_>) {
        self.is_asked = true;
        self.begin_asked_roll(start);
    }

    fn begin_asked_roll(&mut self, start: &mut Start<'_>) {
        if self.is_up && self.rolling.is_none() && self.is_asked {
            self.is_asked = false;
            self.news.push(News::RollBegan);
            self.replace(0, start);
        }
    }

    fn end_roll(&mut self, news: News, start: &mut Start<'_>) {
        self.rolling = None;
        self.news.push(news);
        self.begin_asked_roll(start);
    }

    /// Replaces the child of one place, as part of a roll.
    fn replace(&mut self, index: usize, start: &mut Start<'_>) {
        let Some(place) = self.places.get_mut(index) else {
            self.end_roll(News::Rolled, start);
            return;
        };
        self.rolling = Some(index);
        // A child that is not ready yet may have the old program.
        place.next = None;
        place.deaths = 0;
        place.pause = FIRST_PAUSE;
        self.start(index, start);
    }

    fn start(&mut self, index: usize, start: &mut Start<'_>) {
        self.places[index].retry = None;
        match start(index) {
            Ok(child) => self.places[index].next = Some(child),
            Err(error) => self.failed(index, error, start),
        }
    }

    /// Handles an event of the child with this number.
    pub(super) fn take(&mut self, number: u64, event: Event, start: &mut Start<'_>) {
        let Some(index) = self.places.iter().position(|place| place.has(number)) else {
            if let Event::Ended(_) = event {
                self.leaving.retain(|child| child.number != number);
            }
            return;
        };
        match event {
            Event::Ready => self.ready(index, start),
            Event::Ended(ended) => self.ended(index, number, &ended, start),
        }
    }

    fn ready(&mut self, index: usize, start: &mut Start<'_>) {
        let place = &mut self.places[index];
        let Some(new) = place.next.take() else {
            return;
        };
        place.deaths = 0;
        self.has_served = true;
        if let Some(old) = place.serving.replace(new) {
            self.leaving.push(old.end(Signal::TERM));
        }
        if self.rolling == Some(index) {
            self.replace(index + 1, start);
        } else if !self.is_up {
            self.start_others(start);
        }
    }

    fn start_others(&mut self, start: &mut Start<'_>) {
        self.is_up = self.places.iter().all(|place| place.serving.is_some());
        if self.is_up {
            self.news.push(News::Up);
            self.begin_asked_roll(start);
            return;
        }
        for index in 0..self.places.len() {
            let place = &self.places[index];
            if place.serving.is_none() && place.next.is_none() && place.retry.is_none() {
                self.start(index, start);
            }
        }
    }

    fn ended(&mut self, index: usize, number: u64, ended: &Ended, start: &mut Start<'_>) {
        let place = &mut self.places[index];
        if let Some(child) = place.next.take_if(|child| child.number == number) {
            self.failed(index, early_end(child.pid, ended), start);
            return;
        }
        let Some(child) = place.serving.take() else {
            return;
        };
        if ended.lived >= STEADY {
            place.pause = FIRST_PAUSE;
        }
        // During a roll the next child may be about to take over.
        let pause = place.next.is_none().then(|| place.pause());
        let status = describe(ended);
        tracing::error!(
            pid = child.pid,
            status,
            ?pause,
            "a child died; another one starts"
        );
    }

    /// Records that no child could be started in a place.
    fn failed(&mut self, index: usize, error: io::Error, start: &mut Start<'_>) {
        let is_rolling = self.rolling == Some(index);
        // The first child shows whether the program runs at all. If it does not, its lines are not
        // to be repeated.
        let is_first = !self.has_served;
        let place = &mut self.places[index];
        place.deaths += 1;
        let is_over = place.deaths >= self.attempts || is_first;
        if is_over && !self.is_up {
            self.news.push(News::Failed(error));
            return;
        }
        if !(is_over && is_rolling) {
            let pause = place.pause();
            tracing::warn!(%error, ?pause, "a child did not start; trying again");
            return;
        }
        if place.serving.is_none() {
            place.pause();
        }
        self.end_roll(News::RollStopped(error), start);
    }

    /// Asks all children to end. Returns those that serve or have served, and those that are not
    /// ready yet.
    pub(super) fn end(self, signal: Signal) -> (Vec<Leaving>, Vec<Leaving>) {
        let mut serving = self.leaving;
        let mut starting = Vec::new();
        for place in self.places {
            serving.extend(place.serving.map(|child| child.end(signal)));
            starting.extend(place.next.map(|child| child.end(signal)));
        }
        (serving, starting)
    }

    /// Returns the children with the numbers of their places, from 1, and whether they serve.
    pub(super) fn list(&self) -> impl Iterator<Item = (usize, bool, &Child)> {
        (1..).zip(&self.places).flat_map(|(process, place)| {
            let serving = place
                .serving
                .iter()
                .map(move |child| (process, true, child));
            let next = place.next.iter().map(move |child| (process, false, child));
            serving.chain(next)
        })
    }
}

fn early_end(pid: u32, ended: &Ended) -> io::Error {
    let lived = ended.lived;
    let why = if ended.was_late {
        format!("child {pid} was not ready within {lived:.1?} and was killed")
    } else {
        format!(
            "child {pid} ended before it was ready, with {}",
            describe(ended)
        )
    };
    io::Error::other(why)
}

fn describe(ended: &Ended) -> String {
    match &ended.status {
        Ok(status) => status.to_string(),
        Err(error) => format!("an unknown status: {error}"),
    }
}
