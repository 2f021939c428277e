//! Workers that run on Python's threads.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use euryale::connection::{PoolWorker, StartWorker};

use crate::main_thread::{MainThread, START_THREAD};
use crate::turns::Turns;

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

enum Order {
    Work(PoolWorker),
    /// Ends the thread that receives this, because the number of threads shrinks.
    Leave,
    /// Ends all threads, however many there are: each thread that receives this passes it on.
    End,
}

/// Passes the pool's workers to the threads.
pub(crate) struct Senders {
    orders: Sender<Order>,
    main: MainThread,
    turns: Arc<Turns>,
    /// The wanted number of threads.
    wanted: AtomicUsize,
}

/// The state that the threads share.
#[derive(Clone)]
pub(crate) struct Threads {
    orders: Arc<Mutex<Option<Receiver<Order>>>>,
    sender: Sender<Order>,
    turns: Arc<Turns>,
    at_work: AtWork,
}

/// The calls of the application that have begun, by the number of their thread.
#[derive(Clone, Default)]
pub(crate) struct AtWork(Arc<Mutex<BTreeMap<usize, (String, Instant)>>>);

impl Threads {
    pub(crate) fn new(main: &MainThread, turns: Turns) -> (Senders, Self) {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let turns = Arc::new(turns);
        let senders = Senders {
            orders: sender.clone(),
            main: main.clone(),
            turns: Arc::clone(&turns),
            wanted: AtomicUsize::new(0),
        };
        let threads = Self {
            orders: Arc::new(Mutex::new(Some(receiver))),
            sender,
            turns,
            at_work: AtWork::default(),
        };
        (senders, threads)
    }

    /// Runs jobs on this thread until the server ends or wants fewer threads.
    pub(crate) fn work(&self, number: usize) {
        let Some(orders) = self.receiver() else {
            return;
        };
        let watch = self.turns.watch();
        NUMBER.set(Some(number));
        loop {
            match orders.recv() {
                Ok(Order::Work(worker)) => {
                    self.turns.wait(number, watch.as_ref());
                    worker.run();
                    self.turns.leave(number);
                }
                Ok(Order::End) => {
                    let _ = self.sender.send(Order::End);
                    break;
                }
                Ok(Order::Leave) | Err(_) => break,
            }
        }
        NUMBER.set(None);
    }

    fn receiver(&self) -> Option<Receiver<Order>> {
        let orders = self.orders.lock();
        orders.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Called if there will be no threads: drops the workers that wait for a thread, and all later
    /// ones, so that the pool refuses their jobs.
    pub(crate) fn refuse(&self) {
        *self.orders.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Called when the threads have been joined. The caller must not hold the GIL.
    pub(crate) fn end(&self) {
        self.turns.end();
    }

    pub(crate) fn at_work(&self) -> &AtWork {
        &self.at_work
    }
}

impl Senders {
    /// Lets all threads end after their current jobs.
    pub(crate) fn dismiss(&self) {
        self.wanted.store(0, Ordering::Release);
        let _ = self.orders.send(Order::End);
    }

    /// Records that there is one thread fewer than was requested. Returns the number of threads
    /// that are left, or `None` if the thread was no longer wanted.
    pub(crate) fn lose_thread(&self) -> Option<usize> {
        let fewer = |wanted: usize| wanted.checked_sub(1);
        let had = self
            .wanted
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer);
        had.ok().map(|had| had - 1)
    }
}

/// The pool's handle to the senders; the server also has one.
pub(crate) struct PythonThreads(pub(crate) Arc<Senders>);

impl StartWorker for PythonThreads {
    fn start(&self, worker: PoolWorker) {
        let _ = self.0.orders.send(Order::Work(worker));
    }

    fn resize(&self, workers: usize) {
        let had = self.0.wanted.swap(workers, Ordering::AcqRel);
        self.0.main.order(START_THREAD, workers.saturating_sub(had));
        for _ in workers..had {
            let _ = self.0.orders.send(Order::Leave);
        }
    }

    fn goes_on(&self) -> bool {
        NUMBER
            .get()
            .is_none_or(|number| self.0.turns.goes_on(number))
    }
}

impl AtWork {
    /// Records that this thread calls the application for `request`, until the guard is dropped.
    pub(crate) fn begin(&self, request: impl FnOnce() -> String) -> Calling<'_> {
        if let Some(number) = NUMBER.get() {
            self.change(|calls| calls.insert(number, (request(), Instant::now())));
        }
        Calling(self)
    }

    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<usize, (String, Instant)>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the name of each thread that runs a call, the call's request, and its running time.
    pub(crate) fn list(&self) -> Vec<(String, String, Duration)> {
        self.change(|calls| {
            let named = calls.iter().map(|(number, (request, since))| {
                (
                    format!("euryale-{number}"),
                    request.clone(),
                    since.elapsed(),
                )
            });
            named.collect()
        })
    }
}

/// A call of the application on this thread.
pub(crate) struct Calling<'a>(&'a AtWork);

impl Drop for Calling<'_> {
    fn drop(&mut self) {
        if let Some(number) = NUMBER.get() {
            self.0.change(|calls| calls.remove(&number));
        }
    }
}
