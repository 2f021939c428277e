//! Clients that disconnect, in each phase and with each outcome.

use euryale::deferred::{DEFERRED_FAILED, DeferredBook};
use std::future::pending;
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::Arc;

use euryale::connection::PoolBook;
use euryale::{Body, Deferred, Error, Request, Response};
use euryale_test::{Gate, RawClient, assert_quiet, eventually};
use euryale_tests::Site;
use tokio::sync::Semaphore;

use super::{Reader, Tx};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Queued,
    Publishing,
    Computing,
    Streaming,
    /// The client stays.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Ok,
    Error,
    Panic,
    Slow,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Async,
    Blocking,
}

const PHASES: [Phase; 5] = [
    Phase::Queued,
    Phase::Publishing,
    Phase::Computing,
    Phase::Streaming,
    Phase::Never,
];
const OUTCOMES: [Outcome; 4] = [Outcome::Ok, Outcome::Error, Outcome::Panic, Outcome::Slow];

/// The gates at which the phases wait.
#[derive(Clone)]
struct Gates {
    publish: Gate,
    compute: Gate,
    async_compute: Arc<Semaphore>,
    stream: Gate,
}

/// The outcome of the computation, and of the stream after it.
#[derive(Clone, Copy)]
struct Script {
    compute: Outcome,
    stream: Outcome,
}

fn computed(script: Script, gates: &Gates) -> Result<Response, Error> {
    match script.compute {
        Outcome::Ok | Outcome::Slow => {}
        Outcome::Error => return Err(Error::new(DEFERRED_FAILED)),
        Outcome::Panic => resume_unwind(Box::new("as scripted")),
    }
    let gate = gates.stream.clone();
    Ok(Response::new(Body::writer(move |writer| {
        writer.write_all(b"first")?;
        gate.wait();
        match script.stream {
            Outcome::Ok => writer.write_all(b"last"),
            Outcome::Error => Err(io::Error::other("as scripted")),
            Outcome::Panic => resume_unwind(Box::new("as scripted")),
            // Writes until the client is gone.
            Outcome::Slow => loop {
                writer.write_all(&[b'x'; 1000])?;
            },
        }
    })))
}

fn body(kind: Kind, script: Script, gates: Gates) -> Body {
    if kind == Kind::Blocking {
        let compute = move || {
            gates.compute.wait();
            computed(script, &gates)
        };
        return Deferred::blocking(compute).into();
    }
    Body::deferred(async move {
        gates.async_compute.acquire().await.unwrap().forget();
        if script.compute == Outcome::Slow {
            return pending().await;
        }
        computed(script, &gates)
    })
}

/// A client that disconnects in `phase`, or stays and gets the right answer.
async fn case(kind: Kind, phase: Phase, outcome: Outcome) {
    let gates = Gates {
        publish: Gate::new(),
        compute: Gate::new(),
        async_compute: Arc::new(Semaphore::new(0)),
        stream: Gate::new(),
    };
    let script = match phase {
        Phase::Streaming => Script {
            compute: Outcome::Ok,
            stream: outcome,
        },
        Phase::Never if outcome == Outcome::Slow => return,
        _ => Script {
            compute: outcome,
            stream: Outcome::Ok,
        },
    };
    let inside = gates.clone();
    let site = Site::start(1, move |request: &Request, transaction: Tx<'_, '_>| {
        transaction.connection()?;
        inside.publish.wait();
        if request.uri().path() == "/holder" {
            return Ok(Response::new(Body::from("held")));
        }
        Ok(Response::new(body(kind, script, inside.clone())))
    })
    .await;
    let ledger = site.ledger().clone();

    let mut holder = None;
    if phase == Phase::Queued {
        let mut client = RawClient::connect(site.address).await.unwrap();
        client
            .send("GET /holder HTTP/1.1\r\nhost: test\r\n\r\n")
            .await
            .unwrap();
        eventually("the connection is taken", || gates.publish.waiting() == 1).await;
        holder = Some(client);
    }
    let client = Reader::get(&site, "/").await;
    let mut client = Some(client);
    if phase == Phase::Queued {
        eventually("it is queued", || site.pool.status().queued == 1).await;
        drop(client.take());
        eventually("it has left the queue", || {
            ledger.of::<PoolBook>().queue.gone.get() == 1
        })
        .await;
    } else {
        eventually("it is published", || gates.publish.waiting() == 1).await;
    }
    if phase == Phase::Publishing {
        drop(client.take());
        // The worker must not be interrupted.
        tokio::task::yield_now().await;
    }
    gates.publish.open();
    if matches!(phase, Phase::Computing | Phase::Streaming | Phase::Never) {
        eventually("it is computed", || {
            ledger.of::<DeferredBook>().running.get() == 1
        })
        .await;
        assert_eq!(ledger.transactions.committed.get(), 1);
    }
    if phase == Phase::Computing {
        if kind == Kind::Blocking {
            eventually("it is in its thread", || gates.compute.waiting() == 1).await;
        }
        drop(client.take());
        eventually("it is given up", || {
            ledger.of::<DeferredBook>().cancelled.get() == 1
        })
        .await;
        let held = i64::from(kind == Kind::Blocking);
        assert_eq!(
            ledger.of::<DeferredBook>().running.get(),
            held,
            "a thread keeps its place, a future is dropped"
        );
    }
    gates.compute.open();
    gates.async_compute.add_permits(1);
    if phase == Phase::Streaming {
        client.as_mut().unwrap().until("first").await;
        assert_eq!(ledger.of::<DeferredBook>().writers.get(), 1);
        drop(client.take());
    }
    gates.stream.open();
    if let Some(client) = client {
        let answer = client.rest().await;
        let status = ["200 OK", "502 Bad Gateway", "500 Internal Server Error"][outcome as usize];
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
        assert_eq!(answer.ends_with("\r\n0\r\n\r\n"), outcome == Outcome::Ok);
    }
    if let Some(mut client) = holder {
        assert_eq!(client.read_answer(false).await.unwrap().text(), "held");
    }
    assert_quiet(&ledger).await;
    let ended = [
        &ledger.of::<DeferredBook>().ok,
        &ledger.of::<DeferredBook>().error,
        &ledger.of::<DeferredBook>().panic,
        &ledger.of::<DeferredBook>().cancelled,
    ];
    let ended: u64 = ended.map(euryale::ledger::Counter::get).into_iter().sum();
    // If the client is gone by the time of the response, there is nothing to wait for.
    assert!(
        ended == 1 || (phase == Phase::Publishing || phase == Phase::Queued) && ended == 0,
        "{ended}"
    );
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_every_phase_with_every_outcome_nothing_stays() {
    for kind in [Kind::Async, Kind::Blocking] {
        for phase in PHASES {
            for outcome in OUTCOMES {
                eprintln!("{kind:?}, gone in {phase:?}, {outcome:?}");
                case(kind, phase, outcome).await;
            }
        }
    }
}
