use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use euryale_core::error::{CONFLICT, ELAPSED, LANE_FULL};
use euryale_core::transaction::AnswerGate;
use euryale_core::{Body, Deferred, Error, Ledger, Response};
use euryale_test::{Gate, assert_quiet, eventually};
use http::Method;
use tower::{Layer, ServiceExt, service_fn};

use super::{ask_with, ok, text};
use crate::{DeferredBook, DeferredLayer};

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns a layer with `threads` places for blocking responses and as many for writers, and with
/// room for `waiting` of each to wait.
fn lanes(threads: usize, waiting: usize, ledger: &Ledger) -> DeferredLayer {
    DeferredLayer::new()
        .blocking(threads)
        .writers(threads)
        .max_waiting(waiting)
        .writers_waiting(waiting)
        .ledger(ledger.clone())
}

#[tokio::test]
async fn a_response_without_a_place_is_refused_at_once() {
    let ledger = Ledger::new();
    let layer = lanes(2, 0, &ledger).futures(2);
    let gate = Gate::new();
    let never = || Deferred::new(std::future::pending::<Result<Response, Error>>()).into();
    let held = |gate: Gate| {
        Deferred::blocking(move || {
            gate.wait();
            ok("held")
        })
        .into()
    };
    let futures = [0, 1].map(|_| tokio::spawn(ask_with(layer.clone(), Method::GET, never)));
    let blocking = [gate.clone(), gate.clone()]
        .map(|gate| tokio::spawn(ask_with(layer.clone(), Method::GET, move || held(gate))));
    eventually("all places are taken", || {
        ledger.of::<DeferredBook>().running.get() == 4
    })
    .await;
    let code = async |answer: Response| {
        let error = ask_with(layer.clone(), Method::GET, || answer)
            .await
            .err()?;
        assert!(error.is_after_transaction());
        Some(error.code())
    };
    assert_eq!(code(never()).await, Some(LANE_FULL));
    assert_eq!(code(held(gate.clone())).await, Some(LANE_FULL));
    let writer = || Response::new(Body::writer(|_| Ok(())));
    let writers = [
        ask_with(layer.clone(), Method::GET, writer),
        ask_with(layer.clone(), Method::GET, writer),
    ];
    let [first, second] = writers;
    let first = first.await.unwrap();
    let second = second.await.unwrap();
    assert_eq!(
        code(writer()).await,
        Some(LANE_FULL),
        "before its head is sent"
    );
    drop(first);
    assert_eq!(
        code(writer()).await,
        None,
        "one that is never read gives its place back"
    );
    assert!(text(second).await.is_empty());
    assert_eq!(ledger.of::<DeferredBook>().full.get(), 3);
    gate.open();
    for task in blocking {
        assert_eq!(text(task.await.unwrap().unwrap()).await, "held");
    }
    futures.iter().for_each(tokio::task::JoinHandle::abort);
    assert_quiet(&ledger).await;
    assert_eq!(
        (
            ledger.of::<DeferredBook>().ok.get(),
            ledger.of::<DeferredBook>().cancelled.get()
        ),
        (2, 2)
    );
}

#[tokio::test]
async fn the_place_is_free_when_the_result_arrives() {
    let layer = DeferredLayer::new().futures(1).blocking(1).writers(1);
    for _ in 0..500 {
        let answer = || Deferred::blocking(|| ok(Body::iter(["a", "b"]))).into();
        let response = ask_with(layer.clone(), Method::GET, answer).await.unwrap();
        assert_eq!(text(response).await, "ab");
        let answer = || Deferred::new(async { ok("async") }).into();
        assert_eq!(
            text(ask_with(layer.clone(), Method::GET, answer).await.unwrap()).await,
            "async"
        );
    }
}

#[tokio::test]
async fn when_the_client_leaves_async_work_is_dropped_and_blocking_work_keeps_its_place() {
    let ledger = Ledger::new();
    let layer = DeferredLayer::new().ledger(ledger.clone());
    let dropped = Arc::new(AtomicUsize::new(0));
    let gate = Gate::new();
    let count = || dropped.load(Ordering::SeqCst);

    let kept = Dropped(dropped.clone());
    let answer = || {
        let wait = async move {
            let _kept = kept;
            std::future::pending::<Result<Response, Error>>().await
        };
        Deferred::new(wait).into()
    };
    let task = tokio::spawn(ask_with(layer.clone(), Method::GET, answer));
    eventually("it runs", || ledger.of::<DeferredBook>().running.get() == 1).await;
    task.abort();
    assert_quiet(&ledger).await;
    assert_eq!(count(), 1);

    let kept = Dropped(dropped.clone());
    let at = gate.clone();
    let answer = move || {
        let compute = move || {
            at.wait();
            let mut response = Response::new(Body::from("nobody reads it"));
            response.extensions_mut().insert(Arc::new(kept));
            Ok::<_, Error>(response)
        };
        Deferred::blocking(compute).into()
    };
    let task = tokio::spawn(ask_with(layer, Method::GET, answer));
    eventually("it is in its thread", || gate.waiting() == 1).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(
        (ledger.of::<DeferredBook>().running.get(), count()),
        (1, 1),
        "its thread is not free"
    );
    gate.open();
    assert_quiet(&ledger).await;
    eventually("its result is dropped", || count() == 2).await;
    assert_eq!(ledger.of::<DeferredBook>().cancelled.get(), 2);
}

/// The runtime's only blocking thread is busy, so the work waits in tokio's queue.
#[test]
fn work_that_has_not_begun_when_the_client_leaves_never_begins() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime
        .worker_threads(1)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let ledger = Ledger::new();
        let layer = DeferredLayer::new().ledger(ledger.clone());
        let gate = Gate::new();
        let at = gate.clone();
        #[expect(clippy::disallowed_methods, reason = "what takes the thread")]
        let busy = tokio::task::spawn_blocking(move || at.wait());
        eventually("the thread is busy", || gate.waiting() == 1).await;
        let never = || -> Result<Response, Error> { panic!("started") };
        let task = tokio::spawn(ask_with(layer, Method::GET, move || {
            Deferred::blocking(never).into()
        }));
        eventually("it waits", || {
            ledger.of::<DeferredBook>().running.get() == 1
        })
        .await;
        task.abort();
        gate.open();
        busy.await.unwrap();
        assert_quiet(&ledger).await;
    });
}

fn held(gate: &Gate) -> Response {
    let gate = gate.clone();
    let compute = move || {
        gate.wait();
        ok("held")
    };
    Deferred::blocking(compute).into()
}

fn written(gate: &Gate) -> Response {
    let gate = gate.clone();
    Response::new(Body::writer(move |writer| {
        gate.wait();
        writer.send("written")
    }))
}

/// A service that publishes: it commits every answer that passes the gate of the request.
async fn publish(
    layer: DeferredLayer,
    committed: Arc<AtomicUsize>,
    answer: Response,
) -> Result<Response, Error> {
    let mut answer = Some(answer);
    let service = service_fn(move |request: http::Request<()>| {
        let mut response = answer.take().unwrap();
        let admitted = AnswerGate::check(request.extensions(), &mut response);
        let committed = Arc::clone(&committed);
        async move {
            admitted?;
            committed.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Error>(response)
        }
    });
    let request = http::Request::post("/").body(()).unwrap();
    layer.layer(service).oneshot(request).await
}

#[tokio::test]
async fn a_committed_response_waits_for_its_turn() {
    for make in [held, written] {
        let ledger = Ledger::new();
        let layer = lanes(2, 98, &ledger);
        let gate = Gate::new();
        let committed = Arc::new(AtomicUsize::new(0));
        let answers: Vec<_> = (0..100)
            .map(|_| {
                let answer = publish(layer.clone(), Arc::clone(&committed), make(&gate));
                tokio::spawn(async move { text(answer.await.unwrap()).await })
            })
            .collect();
        eventually("all are committed and two run", || {
            committed.load(Ordering::SeqCst) == 100 && gate.waiting() == 2
        })
        .await;
        gate.open();
        for answer in answers {
            assert!(!answer.await.unwrap().is_empty());
        }
        assert_eq!(
            (gate.passed(), ledger.of::<DeferredBook>().full.get()),
            (100, 0)
        );
        let lanes = ["deferred", "writers"].map(|lane| ledger.lanes.of(lane).running.peak());
        assert_eq!(lanes.iter().sum::<i64>(), 2);
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn a_full_lane_refuses_before_the_commit() {
    for make in [held, written] {
        let ledger = Ledger::new();
        let layer = lanes(1, 1, &ledger);
        let gate = Gate::new();
        let committed = Arc::new(AtomicUsize::new(0));
        let answer = || publish(layer.clone(), Arc::clone(&committed), make(&gate));
        let begun = [answer(), answer()]
            .map(|answer| tokio::spawn(async move { text(answer.await.unwrap()).await }));
        eventually("one runs and one waits", || {
            committed.load(Ordering::SeqCst) == 2 && gate.waiting() == 1
        })
        .await;
        let error = answer().await.unwrap_err();
        assert_eq!(error.code(), LANE_FULL);
        assert!(!error.is_after_transaction(), "it may be sent again");
        assert_eq!(committed.load(Ordering::SeqCst), 2);
        gate.open();
        for answer in begun {
            assert!(!answer.await.unwrap().is_empty());
        }
        assert_eq!(ledger.of::<DeferredBook>().full.get(), 1);
        assert_quiet(&ledger).await;
    }
}

#[tokio::test]
async fn futures_are_bounded_before_the_commit() {
    let ledger = Ledger::new();
    let layer = DeferredLayer::new().futures(1).ledger(ledger.clone());
    let committed = Arc::new(AtomicUsize::new(0));
    let never = || Deferred::new(std::future::pending::<Result<Response, Error>>()).into();
    let answer = || publish(layer.clone(), Arc::clone(&committed), never());
    let first = tokio::spawn(answer());
    eventually("it runs", || ledger.of::<DeferredBook>().running.get() == 1).await;
    assert_eq!(answer().await.unwrap_err().code(), LANE_FULL);
    assert_eq!(committed.load(Ordering::SeqCst), 1);
    first.abort();
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_waiting_response_whose_client_leaves_never_begins() {
    for make in [held, written] {
        let ledger = Ledger::new();
        let layer = lanes(1, 1, &ledger);
        let gate = Gate::new();
        let committed = Arc::new(AtomicUsize::new(0));
        let answer = || {
            let answer = publish(layer.clone(), Arc::clone(&committed), make(&gate));
            tokio::spawn(async move { text(answer.await.unwrap()).await })
        };
        let first = answer();
        eventually("it runs", || gate.waiting() == 1).await;
        let waits = || {
            let lanes = ["deferred", "writers"].map(|lane| ledger.lanes.of(lane).waiting.get());
            lanes.iter().sum::<i64>()
        };
        let second = answer();
        eventually("it waits", || waits() == 1).await;
        second.abort();
        eventually("it has left", || waits() == 0).await;
        gate.open();
        assert!(!first.await.unwrap().is_empty());
        assert_quiet(&ledger).await;
        assert_eq!(gate.passed(), 1);
    }
}

#[tokio::test]
async fn a_response_that_defers_again_is_not_refused() {
    let ledger = Ledger::new();
    let layer = lanes(1, 0, &ledger);
    let gate = Gate::new();
    let holds = tokio::spawn(ask_with(layer.clone(), Method::POST, {
        let gate = gate.clone();
        move || held(&gate)
    }));
    eventually("the thread is taken", || gate.waiting() == 1).await;
    let again = {
        let gate = gate.clone();
        move || Deferred::new(async move { Ok::<_, Error>(held(&gate)) }).into()
    };
    let again = tokio::spawn(ask_with(layer.clone(), Method::POST, again));
    eventually("it waits", || {
        ledger.lanes.of("deferred").waiting.get() == 1
    })
    .await;
    gate.open();
    for answer in [holds, again] {
        assert_eq!(text(answer.await.unwrap().unwrap()).await, "held");
    }
    assert_quiet(&ledger).await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_covers_the_wait_for_a_turn() {
    let ledger = Ledger::new();
    let layer = DeferredLayer::new()
        .writers(1)
        .deadline(std::time::Duration::from_secs(5))
        .ledger(ledger.clone());
    let writer = || Response::new(Body::writer(|_| Ok(())));
    let first = ask_with(layer.clone(), Method::POST, writer).await.unwrap();
    let error = ask_with(layer, Method::POST, writer).await.unwrap_err();
    assert_eq!(error.code(), ELAPSED);
    assert!(error.is_after_transaction());
    drop(first);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn an_aborted_answer_returns_its_place() {
    let ledger = Ledger::new();
    let layer = lanes(1, 0, &ledger).futures(1);
    let aborts = |answer: fn() -> Response| {
        let service = service_fn(move |request: http::Request<()>| {
            let mut response = answer();
            let admitted = AnswerGate::check(request.extensions(), &mut response);
            async move { admitted.and(Err::<Response, _>(Error::new(CONFLICT))) }
        });
        layer.layer(service).oneshot(http::Request::new(()))
    };
    for _ in 0..2 {
        for answer in [
            || Deferred::blocking(|| ok("")).into(),
            || Deferred::new(async { ok("") }).into(),
            || Response::new(Body::writer(|_| Ok(()))),
        ] {
            let error = aborts(answer).await.unwrap_err();
            assert_eq!(error.code(), CONFLICT);
        }
    }
    assert_quiet(&ledger).await;
}
