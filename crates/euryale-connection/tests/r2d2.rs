//! Connections of a foreign manager behind the pool: when they are kept, checked, replaced and
//! dropped.

#![expect(clippy::unwrap_used, reason = "a panic in a test is its verdict")]

use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::ThreadId;
use std::time::Duration;

use euryale_connection::r2d2::{NoTransactions, R2d2, TransactionControl};
use euryale_connection::{Pool, PoolBook};
use euryale_core::error::{APPLICATION, CONFLICT, IN_DOUBT, PANICKED, UNAVAILABLE};
use euryale_core::transaction::{Begin, DropReason, Fault};
use euryale_core::{BoxError, Error};
use euryale_test::{assert_quiet, eventually};
use r2d2::ManageConnection;

/// A database of numbered connections that writes down what is asked of it. Clones are the same
/// one.
#[derive(Clone)]
struct Store(Arc<Mutex<State>>);

struct State {
    story: Vec<String>,
    opened: u32,
    open: u32,
    /// The database was away: what was opened up to this number is no longer valid.
    invalid: u32,
    connect_fails: bool,
    commit_fails: Option<Fault>,
    /// Where nothing of this may happen.
    runtime_thread: ThreadId,
    on_runtime_thread: Vec<String>,
}

impl Store {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            story: Vec::new(),
            opened: 0,
            open: 0,
            invalid: 0,
            connect_fails: false,
            commit_fails: None,
            runtime_thread: std::thread::current().id(),
            on_runtime_thread: Vec::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn record(&self, event: impl Into<String>) -> MutexGuard<'_, State> {
        let event = event.into();
        let mut state = self.lock();
        if std::thread::current().id() == state.runtime_thread {
            state.on_runtime_thread.push(event.clone());
        }
        state.story.push(event);
        state
    }

    /// The database goes away and comes back: its connections are gone.
    fn restart(&self) {
        let mut state = self.lock();
        state.invalid = state.opened;
    }

    /// The events since the last call.
    fn story(&self) -> String {
        std::mem::take(&mut self.lock().story).join(" · ")
    }
}

struct Raw {
    id: u32,
    broken: bool,
    in_transaction: bool,
    store: Store,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.store.record(format!("drop {}", self.id)).open -= 1;
    }
}

/// The store's error, and one that has it as its source.
#[derive(Debug)]
enum StoreError {
    Says(Fault),
    Within(Box<StoreError>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Says(_) => None,
            Self::Within(source) => Some(&**source),
        }
    }
}

impl ManageConnection for Store {
    type Connection = Raw;
    type Error = StoreError;

    fn connect(&self) -> Result<Raw, StoreError> {
        let mut state = self.record("connect");
        if state.connect_fails {
            return Err(StoreError::Within(Box::new(StoreError::Says(Fault::Other))));
        }
        state.opened += 1;
        state.open += 1;
        Ok(Raw {
            id: state.opened,
            broken: false,
            in_transaction: false,
            store: self.clone(),
        })
    }

    fn is_valid(&self, raw: &mut Raw) -> Result<(), StoreError> {
        let state = self.record(format!("check {}", raw.id));
        if raw.id > state.invalid {
            Ok(())
        } else {
            Err(StoreError::Says(Fault::Disconnected))
        }
    }

    fn has_broken(&self, raw: &mut Raw) -> bool {
        raw.broken
    }
}

/// The store's transactions.
struct Control;

impl TransactionControl<Raw> for Control {
    fn begin(&self, raw: &mut Raw, begin: Begin) -> Result<(), BoxError> {
        drop(
            raw.store
                .record(format!("begin {:?} {}", begin.access, raw.id)),
        );
        assert!(!raw.in_transaction, "begin within a transaction");
        raw.in_transaction = true;
        Ok(())
    }

    fn commit(&self, raw: &mut Raw) -> Result<(), BoxError> {
        if let Some(fault) = raw
            .store
            .record(format!("commit {}", raw.id))
            .commit_fails
            .take()
        {
            return Err(StoreError::Says(fault).into());
        }
        raw.in_transaction = false;
        Ok(())
    }

    fn abort(&self, raw: &mut Raw) -> Result<(), BoxError> {
        drop(raw.store.record(format!("abort {}", raw.id)));
        raw.in_transaction = false;
        Ok(())
    }

    fn classify(&self, error: &(dyn StdError + 'static)) -> Fault {
        match error.downcast_ref() {
            Some(StoreError::Says(fault)) => *fault,
            Some(StoreError::Within(_)) | None => Fault::Other,
        }
    }

    fn in_transaction(&self, raw: &mut Raw) -> bool {
        raw.in_transaction
    }
}

/// A pool for jobs without transactions.
fn plain(store: &Store, validate_after: impl Into<Option<Duration>>) -> Pool<R2d2<Store>> {
    Pool::new(R2d2::new(store.clone()).validate_after(validate_after), 1)
}

/// A pool with transactions, whose connections are checked in each job.
fn transactional(store: &Store) -> Pool<R2d2<Store, Control>> {
    let database = R2d2::new(store.clone())
        .validate_after(Duration::ZERO)
        .with_transactions(Control);
    Pool::new(database, 1)
}

/// The number of the connection that a job gets.
async fn id<T: TransactionControl<Raw>>(pool: &Pool<R2d2<Store, T>>) -> u32 {
    pool.run(|connection| connection.get().unwrap().id)
        .await
        .unwrap()
}

/// The end of each test: nothing is held, nothing is left open, and all of it happened in workers.
async fn end<T: TransactionControl<Raw>>(store: &Store, pool: Pool<R2d2<Store, T>>) {
    assert_quiet(pool.ledger()).await;
    pool.close(Duration::from_secs(10)).await.unwrap();
    assert_quiet(pool.ledger()).await;
    assert_eq!(store.lock().open, 0);
    assert_eq!(store.lock().on_runtime_thread, [""; 0]);
}

fn chain(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    std::iter::successors(error.source(), |error| (*error).source())
}

fn cause<E: StdError + 'static>(error: &Error) -> &E {
    chain(error).find_map(|error| error.downcast_ref()).unwrap()
}

#[tokio::test]
async fn a_connection_is_reused() {
    let store = Store::new();
    let pool = plain(&store, Duration::from_secs(3600));
    for _ in 0..3 {
        assert_eq!(id(&pool).await, 1);
    }
    assert_eq!(store.story(), "connect");
    end(&store, pool).await;
}

#[tokio::test]
async fn a_job_that_does_not_use_its_connection_asks_nothing() {
    let store = Store::new();
    let pool = plain(&store, Duration::ZERO);
    id(&pool).await;
    pool.run(|_| ()).await.unwrap();
    assert_eq!(store.story(), "connect");
    end(&store, pool).await;
}

#[tokio::test]
async fn a_broken_connection_is_replaced() {
    let store = Store::new();
    let pool = plain(&store, None);
    pool.run(|connection| connection.get().unwrap().broken = true)
        .await
        .unwrap();
    assert_eq!(id(&pool).await, 2);
    assert_eq!(store.story(), "connect · drop 1 · connect");
    assert_eq!(
        pool.ledger()
            .of::<PoolBook>()
            .connections
            .dropped
            .get(DropReason::NotReusable),
        1
    );
    end(&store, pool).await;
}

#[tokio::test]
async fn an_idle_connection_is_checked_once_in_each_job() {
    let store = Store::new();
    let pool = plain(&store, Duration::ZERO);
    id(&pool).await;
    let both = pool.run(|connection| [connection.get().unwrap().id, connection.get().unwrap().id]);
    assert_eq!(both.await.unwrap(), [1, 1]);
    assert_eq!(id(&pool).await, 1);
    assert_eq!(store.story(), "connect · check 1 · check 1");
    end(&store, pool).await;
}

#[tokio::test]
async fn an_invalid_idle_connection_is_dropped_and_then_replaced() {
    let store = Store::new();
    let pool = plain(&store, Duration::ZERO);
    id(&pool).await;
    store.restart();
    assert_eq!(id(&pool).await, 2);
    assert_eq!(store.story(), "connect · check 1 · drop 1 · connect");
    end(&store, pool).await;
}

#[tokio::test]
async fn without_a_check_an_invalid_connection_is_handed_out() {
    for validate_after in [None, Some(Duration::from_secs(3600))] {
        let store = Store::new();
        let pool = plain(&store, validate_after);
        id(&pool).await;
        store.restart();
        assert_eq!(id(&pool).await, 1);
        assert_eq!(store.story(), "connect");
        end(&store, pool).await;
    }
}

#[tokio::test]
async fn a_transaction_begins_on_a_valid_connection() {
    let store = Store::new();
    let pool = transactional(&store);
    id(&pool).await;
    store.restart();
    let used = pool.transaction(|transaction| Ok(transaction.connection()?.get()?.id));
    assert_eq!(used.await.unwrap(), 2);
    assert_eq!(
        store.story(),
        "connect · check 1 · drop 1 · connect · begin Write 2 · commit 2"
    );
    end(&store, pool).await;
}

#[tokio::test]
async fn nothing_is_replaced_within_a_transaction() {
    let store = Store::new();
    let pool = transactional(&store);
    id(&pool).await;
    let used = pool.transaction(|transaction| {
        let first = transaction.connection()?.get()?.id;
        transaction.database().manager().restart();
        Ok([first, transaction.connection()?.get()?.id])
    });
    assert_eq!(used.await.unwrap(), [1, 1]);
    assert_eq!(
        store.story(),
        "connect · check 1 · begin Write 1 · commit 1"
    );
    end(&store, pool).await;
}

#[tokio::test]
async fn no_other_connection_can_be_opened_and_later_it_can() {
    let store = Store::new();
    let pool = transactional(&store);
    id(&pool).await;
    store.restart();
    store.lock().connect_fails = true;

    let in_a_job = pool
        .run(|connection| connection.get().map(|raw| raw.id))
        .await
        .unwrap();
    assert!(matches!(in_a_job, Err(StoreError::Within(_))));
    assert_eq!(store.story(), "connect · check 1 · drop 1 · connect");
    assert_eq!(
        pool.ledger()
            .of::<PoolBook>()
            .connections
            .dropped
            .get(DropReason::NotReusable),
        1
    );

    store.lock().connect_fails = false;
    assert_eq!(id(&pool).await, 2);
    store.restart();
    store.lock().connect_fails = true;
    let error = pool
        .transaction(|transaction| Ok(transaction.connection()?.get()?.id))
        .await
        .unwrap_err();
    assert_eq!(error.code(), UNAVAILABLE);
    assert!(matches!(cause(&error), StoreError::Within(_)));

    store.lock().connect_fails = false;
    assert_eq!(id(&pool).await, 3);
    end(&store, pool).await;
}

#[tokio::test]
async fn a_job_may_try_again_to_get_a_connection() {
    let store = Store::new();
    let pool = plain(&store, Duration::ZERO);
    id(&pool).await;
    store.restart();
    store.lock().connect_fails = true;
    let comes_back = store.clone();
    let second_try = pool.run(move |connection| {
        assert!(connection.get().is_err());
        comes_back.lock().connect_fails = false;
        connection.get().map(|raw| raw.id)
    });
    assert_eq!(second_try.await.unwrap().unwrap(), 2);
    end(&store, pool).await;
}

#[tokio::test]
async fn the_managers_error_keeps_its_sources() {
    let store = Store::new();
    store.lock().connect_fails = true;
    let pool = plain(&store, None);
    let error = pool.run(|_| ()).await.unwrap_err();
    assert_eq!(error.code(), UNAVAILABLE);
    let of_the_store: Vec<&StoreError> = chain(&error)
        .filter_map(|error| error.downcast_ref())
        .collect();
    assert!(matches!(
        of_the_store[..],
        [StoreError::Within(_), StoreError::Says(Fault::Other)]
    ));
    end(&store, pool).await;
}

#[tokio::test]
async fn a_transaction_commits_or_aborts() {
    let store = Store::new();
    let pool = transactional(&store);
    pool.transaction(|transaction| Ok(transaction.connection()?.get()?.id))
        .await
        .unwrap();
    assert_eq!(store.story(), "connect · begin Write 1 · commit 1");

    let failed = pool.read(|transaction| {
        transaction.connection()?;
        Err::<(), _>(StoreError::Says(Fault::Other).into())
    });
    assert_eq!(failed.await.unwrap_err().code(), APPLICATION);
    assert_eq!(store.story(), "check 1 · begin Read 1 · abort 1");
    end(&store, pool).await;
}

#[tokio::test]
async fn a_conflict_is_classified_anywhere_in_the_chain_of_errors() {
    let store = Store::new();
    let pool = transactional(&store);
    let wrapped = pool.claim().transaction_once(|transaction| {
        transaction.connection()?;
        Err::<(), _>(StoreError::Within(Box::new(StoreError::Says(Fault::Conflict))).into())
    });
    assert_eq!(wrapped.await.unwrap_err().code(), CONFLICT);

    store.lock().commit_fails = Some(Fault::Conflict);
    let at_commit = pool
        .claim()
        .transaction_once(|transaction| Ok(transaction.connection()?.get()?.id))
        .await
        .unwrap_err();
    assert_eq!(at_commit.code(), CONFLICT);
    assert!(matches!(
        cause(&at_commit),
        StoreError::Says(Fault::Conflict)
    ));
    // It is no fault of the connection's.
    assert_eq!(id(&pool).await, 1);
    assert_eq!(
        store.story(),
        "connect · begin Write 1 · abort 1 · check 1 · begin Write 1 · commit 1 · abort 1 · check 1"
    );
    end(&store, pool).await;
}

#[tokio::test]
async fn a_disconnection_drops_the_connection_and_at_commit_it_is_in_doubt() {
    let store = Store::new();
    let pool = transactional(&store);
    let lost = pool.transaction(|transaction| {
        transaction.connection()?;
        Err::<(), _>(StoreError::Says(Fault::Disconnected).into())
    });
    assert_eq!(lost.await.unwrap_err().code(), UNAVAILABLE);
    assert_eq!(
        pool.ledger()
            .of::<PoolBook>()
            .connections
            .dropped
            .get(DropReason::Disconnected),
        1
    );

    store.lock().commit_fails = Some(Fault::Disconnected);
    let doubt = pool
        .transaction(|transaction| Ok(transaction.connection()?.get()?.id))
        .await
        .unwrap_err();
    assert_eq!(doubt.code(), IN_DOUBT);
    assert_eq!(id(&pool).await, 3);
    end(&store, pool).await;
}

#[tokio::test]
async fn a_transaction_that_a_job_leaves_open_is_not_passed_on() {
    let store = Store::new();
    let pool = transactional(&store);
    pool.run(|connection| connection.get().unwrap().in_transaction = true)
        .await
        .unwrap();
    pool.transaction(|transaction| Ok(transaction.connection()?.get()?.id))
        .await
        .unwrap();
    assert_eq!(
        store.story(),
        "connect · drop 1 · connect · begin Write 2 · commit 2"
    );
    end(&store, pool).await;
}

#[tokio::test]
async fn without_control_there_are_no_transactions() {
    let store = Store::new();
    let pool = plain(&store, None);
    let error = pool
        .transaction(|transaction| Ok(transaction.connection()?.get()?.id))
        .await
        .unwrap_err();
    let _: &NoTransactions = cause(&error);
    // A publisher that never asks for a connection needs none of it.
    assert_eq!(pool.transaction(|_| Ok(7)).await.unwrap(), 7);
    assert_eq!(id(&pool).await, 2);
    end(&store, pool).await;
}

/// `end` looks at the threads of all that was done until then; here are the ways out that it does
/// not take.
#[tokio::test]
async fn connections_are_dropped_in_workers_only() {
    let store = Store::new();
    let panics = plain(&store, None);
    let job = |connection: &mut euryale_connection::r2d2::Connection<Store>| {
        connection.get().unwrap();
        // Without the noise of the panic hook.
        std::panic::resume_unwind(Box::new("a job"))
    };
    assert_eq!(panics.run::<(), _>(job).await.unwrap_err().code(), PANICKED);
    end(&store, panics).await;

    let forgotten = plain(&store, None);
    id(&forgotten).await;
    let ledger = forgotten.ledger().clone();
    assert_eq!(store.lock().open, 1);
    drop(forgotten);
    eventually("the connection is dropped", || store.lock().open == 0).await;
    assert_quiet(&ledger).await;
    assert_eq!(store.lock().on_runtime_thread, [""; 0]);
    assert_eq!(store.story(), "connect · drop 1 · connect · drop 2");
}

/// Each new connection says that it was set up.
fn hooked(store: &Store) -> Pool<R2d2<Store>> {
    let set_up = |what: &'static str| {
        move |raw: &mut Raw| {
            drop(raw.store.record(format!("{what} {}", raw.id)));
            Ok(())
        }
    };
    let database = R2d2::new(store.clone())
        .validate_after(Duration::ZERO)
        .on_connect(set_up("first hook"))
        .on_connect(set_up("second hook"));
    Pool::new(database, 1)
}

#[tokio::test]
async fn hooks_run_once_on_each_connection_in_their_order() {
    let store = Store::new();
    let pool = hooked(&store);
    assert_eq!(id(&pool).await, 1);
    assert_eq!(id(&pool).await, 1);
    store.restart();
    assert_eq!(id(&pool).await, 2);
    assert_eq!(
        store.story(),
        "connect · first hook 1 · second hook 1 · check 1 · check 1 · drop 1 \
         · connect · first hook 2 · second hook 2"
    );
    end(&store, pool).await;
}

#[tokio::test]
async fn a_connection_whose_hook_fails_is_dropped_and_never_used() {
    let store = Store::new();
    let database =
        R2d2::new(store.clone()).on_connect(|_| Err(StoreError::Says(Fault::Disconnected)));
    let pool = Pool::new(database, 1);
    let error = pool.run(|_| ()).await.unwrap_err();
    assert_eq!(error.code(), UNAVAILABLE);
    assert_eq!(store.story(), "connect · drop 1");
    end(&store, pool).await;
}
