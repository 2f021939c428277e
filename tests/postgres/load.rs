//! Callers that write and read without a pause, and notice each wrong answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use euryale::{Abort, Body, Ledger, Pool, Request, Response, Stack, StackService, Transaction};
use euryale_postgres::{Postgres, PostgresBook};
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// The number of callers.
pub(super) const CALLERS: usize = 64;

/// The part of the earlier rate that counts as the full rate.
const FULL: f64 = 0.8;

/// A counter for each caller. A POST increments it; both methods answer with its value.
fn publisher(
    request: &Request,
    transaction: &mut Transaction<'_, Postgres>,
) -> Result<Response, Abort> {
    let id: i32 = request.uri().path().trim_start_matches('/').parse()?;
    let connection = transaction.connection()?;
    let sql = if request.method() == Method::POST {
        "UPDATE counter SET value = value + 1 WHERE id = $1 RETURNING value"
    } else {
        "SELECT value FROM counter WHERE id = $1"
    };
    let value: i32 = connection.query_one(sql, &[&id])?.get(0);
    Ok(Response::new(Body::from(value.to_string())))
}

pub(super) struct Load {
    pub(super) pool: Pool<Postgres>,
    pub(super) ledger: Ledger,
    runtime: tokio::runtime::Runtime,
    callers: Vec<tokio::task::JoinHandle<i32>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    succeeded: AtomicU64,
    refused: AtomicU64,
}

impl Load {
    /// Starts the callers on `cap` connections to the database at `url`.
    pub(super) fn start(url: &str, cap: usize) -> Self {
        let database = Postgres::open(url).unwrap();
        let schema = format!(
            "CREATE TABLE counter (id int PRIMARY KEY, value int NOT NULL);
             INSERT INTO counter SELECT n, 0 FROM generate_series(0, {CALLERS} - 1) n;"
        );
        database.migrate(&[&schema]).unwrap();
        let ledger = Ledger::new();
        let pool = Pool::builder(database.ledger(&ledger))
            .connections(cap)
            .ledger(ledger.clone())
            .build();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let state = Arc::new(State::default());
        let service = {
            let _runtime = runtime.enter();
            Stack::new(pool.clone()).publish(publisher)
        };
        let callers = (0..CALLERS)
            .map(|number| runtime.spawn(call(service.clone(), number, Arc::clone(&state))))
            .collect();
        Self {
            pool,
            ledger,
            runtime,
            callers,
            state,
        }
    }

    pub(super) fn succeeded(&self) -> u64 {
        self.state.succeeded.load(Ordering::Relaxed)
    }

    pub(super) fn refused(&self) -> u64 {
        self.state.refused.load(Ordering::Relaxed)
    }

    /// The connections that were opened.
    pub(super) fn opened(&self) -> u64 {
        self.ledger.of::<PostgresBook>().opened.get()
    }

    /// The rate of answers as a multiple of `other`'s, measured for `time` from now on. Other work
    /// on the machine slows down both.
    pub(super) fn share(&self, other: &Self, time: Duration) -> f64 {
        let before = (self.succeeded(), other.succeeded());
        let begin = Instant::now();
        while begin.elapsed() < time {
            std::thread::park_timeout(time.saturating_sub(begin.elapsed()));
        }
        let ours = self.succeeded() - before.0;
        let others = other.succeeded() - before.1;
        ours as f64 / others.max(1) as f64
    }

    /// Waits until the callers have their full rate again, and returns how long that took and the
    /// part of their earlier `share` that they have.
    pub(super) fn recovers(&self, other: &Self, share: f64, within: Duration) -> (Duration, f64) {
        const LOOK: Duration = Duration::from_millis(200);
        let begin = Instant::now();
        let mut parts = Vec::new();
        loop {
            let part = self.share(other, LOOK) / share;
            if part >= FULL {
                return (begin.elapsed(), part);
            }
            parts.push(part);
            assert!(begin.elapsed() < within, "of the earlier rate: {parts:.2?}");
        }
    }

    /// Waits until `count` more requests have succeeded.
    pub(super) fn goes_on(&self, count: u64) {
        let until = Instant::now() + Duration::from_secs(30);
        let enough = self.succeeded() + count;
        while self.succeeded() < enough {
            assert!(Instant::now() < until, "the callers do not go on");
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Ends the callers, and compares each counter with what its caller was answered.
    pub(super) fn end(self) {
        self.state.stop.store(true, Ordering::Relaxed);
        self.runtime.block_on(async move {
            let mut values = Vec::new();
            for caller in self.callers {
                values.push(caller.await.unwrap());
            }
            assert_eq!(values.len(), CALLERS);
            let found = self.pool.read(|transaction| {
                let sql = "SELECT value FROM counter ORDER BY id";
                let rows = transaction.connection()?.query(sql, &[])?;
                Ok(rows.iter().map(|row| row.get(0)).collect::<Vec<i32>>())
            });
            assert_eq!(found.await.unwrap(), values);
            assert_eq!(self.ledger.transactions.in_doubt.get(), 0);
            euryale_test::assert_quiet(&self.ledger).await;
            self.pool.close(Duration::from_secs(5)).await.unwrap();
        });
    }
}

/// Writes three times out of four. Returns the number of writes that were answered with a success.
async fn call(service: StackService, number: usize, state: Arc<State>) -> i32 {
    let mut value = 0;
    for turn in 0_u64.. {
        if state.stop.load(Ordering::Relaxed) {
            break;
        }
        let is_write = !turn.is_multiple_of(4);
        let request = http::Request::builder()
            .method(if is_write { Method::POST } else { Method::GET })
            .uri(format!("/{number}"))
            .body(String::new())
            .unwrap();
        let answer = service.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            state.refused.fetch_add(1, Ordering::Relaxed);
            // A refusal is answered at once, and the server needs the processors to start.
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        }
        let text = std::str::from_utf8(&body).unwrap();
        assert!(status.is_success(), "{status}: {text}");
        value += i32::from(is_write);
        assert_eq!(text, value.to_string(), "the counter of caller {number}");
        state.succeeded.fetch_add(1, Ordering::Relaxed);
    }
    value
}
