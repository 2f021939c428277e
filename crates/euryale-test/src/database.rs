//! A database that counts, records and fails on demand.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use euryale_core::transaction::{Access, Begin, Doubt, Fault, Interrupt, Settled};
use euryale_core::{BoxError, Database};

use crate::Gate;
use crate::gate::PATIENCE;

/// A database without data. Clones are the same one.
///
/// Every call is recorded in [`events`](CountingDatabase::events), to which a test adds its own, so
/// that an order can be asserted; each [`Step`] can be scripted to fail, panic or wait.
#[derive(Clone, Debug, Default)]
pub struct CountingDatabase {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    events: Mutex<Vec<String>>,
    script: Mutex<HashMap<Step, VecDeque<Behaviour>>>,
    opened: AtomicU64,
    open: AtomicU64,
    picky: AtomicBool,
    warmth: Mutex<HashMap<u64, u64>>,
    interrupts: Mutex<Option<Form>>,
    settles: Mutex<Option<Settled>>,
    failures_to_settle: AtomicU64,
    spoiled: Mutex<Vec<u64>>,
}

#[derive(Clone, Debug)]
enum Form {
    Flag,
    Call(Gate),
}

/// A call of the database that can be scripted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Opening a connection.
    Connect,
    /// Beginning a transaction.
    Begin,
    /// Committing one.
    Commit,
    /// Aborting one.
    Abort,
}

/// The behaviour of a scripted call.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// It succeeds.
    Succeed,
    /// Fails with a [`TestError`] of this fault.
    Fail(Fault),
    /// Panics.
    Panic,
    /// Waits at a gate, then succeeds.
    Wait(Gate),
}

/// The error of a scripted failure, with its fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestError(pub Fault);

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scripted failure: {:?}", self.0)
    }
}

impl std::error::Error for TestError {}

/// A connection with a number, from 1 in the order of opening.
#[derive(Debug)]
pub struct Connection {
    id: u64,
    in_transaction: bool,
    interrupt: Option<Interrupt>,
    shared: Arc<Shared>,
}

impl Connection {
    /// A statement that ends only when it is stopped.
    ///
    /// # Errors
    /// Always, with the fault [`Elapsed`](Fault::Elapsed).
    ///
    /// # Panics
    /// After 30 s, and when the database cannot be interrupted.
    pub fn run_until_stopped(&self) -> Result<(), TestError> {
        let interrupt = self.interrupt.as_ref().expect("interrupts");
        let began = Instant::now();
        self.shared.record("statement");
        while !interrupt.is_set() {
            assert!(began.elapsed() < PATIENCE, "nobody stopped the statement");
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Err(TestError(Fault::Elapsed))
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.open.fetch_sub(1, SeqCst);
        if self.shared.picky.load(SeqCst) {
            // Panics on a runtime thread and passes in a worker, as the sync `postgres` client
            // does.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .expect("a runtime");
            runtime.block_on(async {});
        }
        self.shared.record("drop");
    }
}

impl Shared {
    fn record(&self, event: impl Into<String>) {
        lock(&self.events).push(event.into());
    }
}

impl CountingDatabase {
    /// A database where every call succeeds.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Scripts the next calls of `step`, one after the other. Later calls succeed.
    pub fn script(&self, step: Step, behaviours: impl IntoIterator<Item = Behaviour>) {
        lock(&self.shared.script)
            .entry(step)
            .or_default()
            .extend(behaviours);
    }

    /// Removes everything that was scripted and has not happened yet.
    pub fn clear_script(&self) {
        lock(&self.shared.script).clear();
    }

    /// From now on, connections panic when they are dropped on a runtime thread.
    pub fn drop_in_workers_only(&self) {
        self.shared.picky.store(true, SeqCst);
    }

    /// Statements of connections that are opened from now on can be stopped by a flag.
    pub fn interrupt_by_flag(&self) {
        *lock(&self.shared.interrupts) = Some(Form::Flag);
    }

    /// Statements of connections that are opened from now on can be stopped by a call. It waits at
    /// `gate`, and is recorded when it arrives at the database.
    pub fn interrupt_by_call(&self, gate: &Gate) {
        *lock(&self.shared.interrupts) = Some(Form::Call(gate.clone()));
    }

    /// The next `times` attempts to settle a commit fail.
    pub fn fail_to_settle(&self, times: u64) {
        self.shared.failures_to_settle.store(times, SeqCst);
    }

    /// Makes connection `id` unusable, as if the server had closed it while it was idle.
    pub fn spoil(&self, id: u64) {
        lock(&self.shared.spoiled).push(id);
    }

    /// From now on, commits whose answer was lost turn out to have ended like this.
    pub fn settle_as(&self, settled: Settled) {
        *lock(&self.shared.settles) = Some(settled);
    }

    /// Sets the warmth of connection `id`.
    pub fn warm(&self, id: u64, warmth: u64) {
        lock(&self.shared.warmth).insert(id, warmth);
    }

    /// Adds to the events.
    pub fn record(&self, event: impl Into<String>) {
        self.shared.record(event);
    }

    /// The events so far.
    pub fn events(&self) -> Vec<String> {
        lock(&self.shared.events).clone()
    }

    /// The events since the last call, joined with ` · `.
    pub fn story(&self) -> String {
        std::mem::take(&mut *lock(&self.shared.events)).join(" · ")
    }

    /// How many connections were opened.
    pub fn opened(&self) -> u64 {
        self.shared.opened.load(SeqCst)
    }

    /// How many are open now.
    pub fn open(&self) -> u64 {
        self.shared.open.load(SeqCst)
    }

    fn make_interrupt(&self, id: u64) -> Option<Interrupt> {
        let form = lock(&self.shared.interrupts).clone();
        match form? {
            Form::Flag => Some(Interrupt::flag()),
            Form::Call(gate) => {
                let database = self.clone();
                Some(Interrupt::call(move || {
                    gate.wait();
                    database.record(format!("interrupt {id}"));
                }))
            }
        }
    }

    fn step(&self, step: Step) -> Result<(), BoxError> {
        let behaviour = lock(&self.shared.script)
            .get_mut(&step)
            .and_then(VecDeque::pop_front);
        match behaviour.unwrap_or(Behaviour::Succeed) {
            Behaviour::Succeed => Ok(()),
            Behaviour::Fail(fault) => Err(Box::new(TestError(fault))),
            Behaviour::Panic => panic!("scripted panic in {step:?}"),
            Behaviour::Wait(gate) => {
                gate.wait();
                Ok(())
            }
        }
    }
}

impl Database for CountingDatabase {
    type Connection = Connection;

    fn connect(&self) -> Result<Connection, BoxError> {
        self.shared.record("connect");
        self.step(Step::Connect)?;
        let id = self.shared.opened.fetch_add(1, SeqCst) + 1;
        self.shared.open.fetch_add(1, SeqCst);
        Ok(Connection {
            id,
            in_transaction: false,
            interrupt: self.make_interrupt(id),
            shared: Arc::clone(&self.shared),
        })
    }

    fn begin(&self, connection: &mut Connection, begin: Begin) -> Result<(), BoxError> {
        self.shared.record(match begin.access {
            Access::Read => "begin read",
            Access::Write => "begin write",
        });
        assert!(!connection.in_transaction, "begin within a transaction");
        self.step(Step::Begin)?;
        connection.in_transaction = true;
        Ok(())
    }

    fn commit(&self, connection: &mut Connection) -> Result<(), BoxError> {
        self.shared.record("commit");
        assert!(connection.in_transaction, "commit outside a transaction");
        self.step(Step::Commit)?;
        connection.in_transaction = false;
        Ok(())
    }

    fn abort(&self, connection: &mut Connection) -> Result<(), BoxError> {
        self.shared.record("abort");
        assert!(connection.in_transaction, "abort outside a transaction");
        self.step(Step::Abort)?;
        connection.in_transaction = false;
        Ok(())
    }

    fn classify(&self, error: &(dyn std::error::Error + 'static)) -> Fault {
        error
            .downcast_ref::<TestError>()
            .map_or(Fault::Other, |error| error.0)
    }

    fn doubt(&self, connection: &mut Connection) -> Option<Doubt> {
        let settled = (*lock(&self.shared.settles))?;
        Some(Doubt::new((connection.id, settled)))
    }

    fn settle(&self, connection: &mut Connection, doubt: &Doubt) -> Result<Settled, BoxError> {
        let (id, settled): &(u64, Settled) = doubt.downcast_ref().ok_or("another's doubt")?;
        self.shared.record(format!("settle {id}"));
        assert_ne!(connection.id, *id, "on the connection that was lost");
        let failures = &self.shared.failures_to_settle;
        let fails = failures.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1));
        match fails {
            Ok(_) => Err(Box::new(TestError(Fault::Disconnected))),
            Err(_) => Ok(*settled),
        }
    }

    fn interrupt<'c>(&self, connection: &'c Connection) -> Option<&'c Interrupt> {
        connection.interrupt.as_ref()
    }

    fn is_reusable(&self, connection: &mut Connection) -> bool {
        !connection.in_transaction && !lock(&self.shared.spoiled).contains(&connection.id)
    }

    fn warmth(&self, connection: &Connection) -> u64 {
        lock(&self.shared.warmth)
            .get(&connection.id)
            .copied()
            .unwrap_or(0)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
