//! Shared promises: one flight for each key, and a limited number of values.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::PromiseError;
use crate::asks::{Sharing, Value};
use crate::key::KeyId;
use crate::run::later;

/// The minimum time between a failed refresh and the next one.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct SharedPromises {
    capacity: usize,
    max_weight: usize,
    error_ttl: Duration,
    state: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    entries: HashMap<KeyId, Entry>,
    /// The weight of all kept values, in bytes.
    weight: usize,
    /// Counts lookups, to find the least recently used entry.
    looks: u64,
    /// The number of flights that were started.
    flights: u64,
}

#[derive(Default)]
struct Entry {
    kept: Option<Kept>,
    flight: Weak<Flight>,
    /// The number of the flight. Only the last one of an entry may land.
    number: u64,
    used: u64,
}

struct Kept {
    value: Value,
    weight: usize,
    fresh_until: Instant,
    stale_until: Instant,
}

pub(crate) enum Found {
    Fresh(Value),
    Stale(Value),
    Nothing,
}

/// A running shared promise. It is cancelled when its last handle is dropped.
pub(crate) struct Flight {
    task: AbortHandle,
    result: watch::Receiver<Option<Value>>,
}

impl Flight {
    pub(crate) async fn landed(&self) -> Value {
        let mut result = self.result.clone();
        let landed = result
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|value| value.clone());
        // The task ends without a result only when the runtime ends.
        landed.unwrap_or(Err(PromiseError::NoThread))
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An existing value, or a flight to wait for.
pub(crate) enum Boarded {
    There(Value),
    Joined(Arc<Flight>),
    Started(Arc<Flight>),
}

impl SharedPromises {
    pub(crate) fn new(capacity: usize, max_weight: usize, error_ttl: Duration) -> Self {
        Self {
            capacity,
            max_weight,
            error_ttl,
            state: Mutex::default(),
        }
    }

    pub(crate) fn find(&self, key: &KeyId, now: Instant) -> Found {
        self.lock().find(key, now)
    }

    /// Joins the flight for `key`, or starts one. With `anew`, a flight is started even if there is
    /// a stale value.
    pub(crate) fn board(
        &self,
        key: &KeyId,
        anew: bool,
        start: impl FnOnce(watch::Sender<Option<Value>>, u64) -> AbortHandle,
    ) -> Boarded {
        let now = Instant::now();
        let mut state = self.lock();
        match state.find(key, now) {
            Found::Stale(value) if !anew => return Boarded::There(value),
            Found::Fresh(value) => return Boarded::There(value),
            Found::Stale(_) | Found::Nothing => {}
        }
        let evicted = state.make_room(key, self.capacity, now);
        let looks = state.looks;
        let number = state.flights + 1;
        let entry = state.entries.entry(key.clone()).or_default();
        entry.used = looks;
        let boarded = match entry.flight.upgrade() {
            Some(flight) => Boarded::Joined(flight),
            None => {
                let (sender, result) = watch::channel(None);
                let flight = Arc::new(Flight {
                    task: start(sender, number),
                    result,
                });
                entry.flight = Arc::downgrade(&flight);
                entry.number = number;
                state.flights = number;
                Boarded::Started(flight)
            }
        };
        drop(state);
        // Values are dropped outside the lock, because their drops are the application's code.
        drop(evicted);
        boarded
    }

    /// Stores the result of a flight. A request that joins from now on finds the value, or starts a
    /// new flight. If the entry was forgotten in the meantime, the value is not kept.
    pub(crate) fn land(&self, key: &KeyId, number: u64, value: &Value, sharing: Sharing) {
        let now = Instant::now();
        let weight = key.weight(value);
        let mut state = self.lock();
        let entry = state.entries.get_mut(key);
        let Some(entry) = entry.filter(|entry| entry.number == number) else {
            return;
        };
        entry.flight = Weak::new();
        let replaced = match (value, &mut entry.kept) {
            (Err(_), Some(kept)) if kept.value.is_ok() && now < kept.stale_until => {
                // There is no other refresh for a while.
                let pause = self.error_ttl.max(PAUSE);
                kept.fresh_until = later(now, pause).min(kept.stale_until);
                None
            }
            (value, kept) => {
                let (fresh, stale) = match value {
                    Ok(_) => (sharing.fresh, sharing.stale),
                    Err(_) => (sharing.fresh.min(self.error_ttl), Duration::ZERO),
                };
                let fresh_until = later(now, fresh);
                let stale_until = later(fresh_until, stale);
                // A value that can no longer be found is not kept.
                let fits = weight <= self.max_weight && now < stale_until;
                let new = fits.then(|| Kept {
                    value: value.clone(),
                    weight,
                    fresh_until,
                    stale_until,
                });
                let added = new.as_ref().map_or(0, |new| new.weight);
                let old = std::mem::replace(kept, new);
                state.weight += added;
                state.weight -= old.as_ref().map_or(0, |old| old.weight);
                old
            }
        };
        let evicted = state.lighten(key, self.max_weight);
        drop(state);
        drop((replaced, evicted));
    }

    /// Drops the values that depend on `name`, and does not keep those of running flights.
    pub(crate) fn forget(&self, name: &str) {
        self.forget_those(|key| key.depends_on(name));
    }

    /// Drops the values that depend on anything, and does not keep those of running flights.
    pub(crate) fn forget_all(&self) {
        self.forget_those(KeyId::depends);
    }

    fn forget_those(&self, is_old: impl Fn(&KeyId) -> bool) {
        let mut state = self.lock();
        let forgotten: Vec<Entry> = state
            .entries
            .extract_if(|key, _| is_old(key))
            .map(|(_, entry)| entry)
            .collect();
        let kept = forgotten.iter().filter_map(|entry| entry.kept.as_ref());
        state.weight -= kept.map(|kept| kept.weight).sum::<usize>();
        drop(state);
        // Values are dropped outside the lock, because their drops are the application's code.
        drop(forgotten);
    }

    fn lock(&self) -> MutexGuard<'_, Cache> {
        // Only our own code runs under this lock, including the start of tasks.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cache {
    fn find(&mut self, key: &KeyId, now: Instant) -> Found {
        self.looks += 1;
        let Some(entry) = self.entries.get_mut(key) else {
            return Found::Nothing;
        };
        entry.used = self.looks;
        match &entry.kept {
            Some(kept) if now < kept.fresh_until => Found::Fresh(kept.value.clone()),
            Some(kept) if now < kept.stale_until => Found::Stale(kept.value.clone()),
            _ => Found::Nothing,
        }
    }

    /// Makes room for another key. Removes expired entries, or else the least recently used eighth
    /// of all entries. Entries that requests wait for stay.
    fn make_room(&mut self, key: &KeyId, capacity: usize, now: Instant) -> Vec<Entry> {
        if self.entries.len() < capacity || self.entries.contains_key(key) {
            return Vec::new();
        }
        let is_over = |entry: &Entry| {
            entry
                .kept
                .as_ref()
                .is_none_or(|kept| kept.stale_until <= now)
        };
        let idle = |(_, entry): &(&KeyId, &Entry)| entry.flight.strong_count() == 0;
        let mut idle: Vec<(bool, u64, KeyId)> = self
            .entries
            .iter()
            .filter(idle)
            .map(|(key, entry)| (!is_over(entry), entry.used, key.clone()))
            .collect();
        idle.sort_unstable_by_key(|(is_wanted, used, _)| (*is_wanted, *used));
        let over = idle.partition_point(|(is_wanted, ..)| !is_wanted);
        let least = self.entries.len() + 1 - capacity;
        let going = idle.into_iter().take(over.max(least).max(capacity / 8));
        let evicted: Vec<Entry> = going
            .filter_map(|(.., key)| self.entries.remove(&key))
            .collect();
        self.weight -= evicted
            .iter()
            .filter_map(|entry| entry.kept.as_ref())
            .map(|kept| kept.weight)
            .sum::<usize>();
        evicted
    }

    /// Removes the least recently used entries until the total weight is within the limit. The
    /// newest value stays.
    fn lighten(&mut self, key: &KeyId, max_weight: usize) -> Vec<Kept> {
        let mut evicted = Vec::new();
        while self.weight > max_weight {
            let others = self
                .entries
                .iter_mut()
                .filter(|(other, entry)| *other != key && entry.kept.is_some());
            let oldest = others.min_by_key(|(_, entry)| entry.used);
            let Some(kept) = oldest.and_then(|(_, entry)| entry.kept.take()) else {
                break;
            };
            self.weight -= kept.weight;
            evicted.push(kept);
        }
        evicted
    }
}
