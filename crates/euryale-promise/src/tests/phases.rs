//! Tests of clients that disconnect in each phase, for every outcome of promises and passes.

use std::convert::Infallible;
use std::panic::resume_unwind;
use std::sync::Arc;

use euryale_core::transaction::Fault;
use euryale_test::{Gate, TestError, eventually};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::{Site, say, word};
use crate::{PromiseBook, PromisesExt, RepublishLayer};

/// The phase in which the client disconnects.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Queued,
    Pass1,
    PromisesRunning,
    QueuedAgain,
    Pass2,
    /// The client stays.
    Never,
}

/// The outcome of the promise after its gate opens.
#[derive(Clone, Copy, Debug)]
enum Promise {
    Resolves,
    Fails,
    Panics,
    Never,
    Blocks,
    Shared,
}

/// The outcome of the second pass.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Ok,
    Error,
    Panic,
    Again,
}

const PHASES: [Phase; 6] = [
    Phase::Queued,
    Phase::Pass1,
    Phase::PromisesRunning,
    Phase::QueuedAgain,
    Phase::Pass2,
    Phase::Never,
];
const PROMISES: [Promise; 6] = [
    Promise::Resolves,
    Promise::Fails,
    Promise::Panics,
    Promise::Never,
    Promise::Blocks,
    Promise::Shared,
];
const ENDS: [End; 4] = [End::Ok, End::Error, End::Panic, End::Again];

struct Scene {
    site: Site,
    /// `/hold` waits at this gate, and holds the only connection.
    hold: Gate,
    passes: [Gate; 2],
    promise: Arc<Semaphore>,
    blocking: Gate,
}

impl Scene {
    fn new(promise: Promise, end: End) -> Self {
        let hold = Gate::new();
        let passes = [Gate::new(), Gate::new()];
        let blocking = Gate::new();
        let open = Arc::new(Semaphore::new(0));
        // The deadline is short because one promise never ends.
        let site = Site::new(RepublishLayer::new(), {
            let hold = hold.clone();
            let passes = passes.clone();
            let blocking = blocking.clone();
            let open = Arc::clone(&open);
            move |request, transaction| {
                transaction.connection()?;
                if request.uri().path() == "/hold" {
                    hold.wait();
                    return say("held");
                }
                let mut promises = request.promises();
                let pass = promises.pass() as usize;
                if let Some(gate) = passes.get(pass - 1) {
                    gate.wait();
                }
                if matches!(promise, Promise::Shared) {
                    promises = promises.shared(std::time::Duration::ZERO);
                }
                let open = Arc::clone(&open);
                let blocking = blocking.clone();
                let promised = match promise {
                    Promise::Blocks => promises.ask_blocking("promise", move || {
                        blocking.wait();
                        Ok::<_, Infallible>(1)
                    }),
                    _ => promises.ask("promise", move || async move {
                        open.acquire().await.unwrap().forget();
                        match promise {
                            Promise::Fails => Err("no"),
                            Promise::Panics => resume_unwind(Box::new("no")),
                            Promise::Never => std::future::pending().await,
                            _ => Ok(1),
                        }
                    }),
                };
                let value = word(promised.ready()?);
                match end {
                    End::Ok => say(value),
                    End::Error => Err(TestError(Fault::Other).into()),
                    End::Panic => resume_unwind(Box::new("pass 2")),
                    End::Again => {
                        let _ = request
                            .promises()
                            .ask("again", || async { Ok::<_, Infallible>(2) })
                            .ready()?;
                        say(value)
                    }
                }
            }
        });
        Self {
            site,
            hold,
            passes,
            promise: open,
            blocking,
        }
    }

    fn start(&self, path: &'static str) -> JoinHandle<String> {
        let site = self.site.clone();
        tokio::spawn(async move { site.text(path).await })
    }

    async fn hold(&self) -> JoinHandle<String> {
        let holder = self.start("/hold");
        eventually("the connection is held", || self.hold.waiting() == 1).await;
        holder
    }

    /// Opens gates until the request is in this phase.
    async fn advance(&self, request: &JoinHandle<String>, to: Phase) {
        let passes = &self.passes;
        let pool = &self.site.pool;
        let promises = &self.site.ledger().of::<PromiseBook>();
        if to == Phase::Queued {
            return eventually("it waits", || pool.status().queued == 1).await;
        }
        self.hold.let_through(1);
        eventually("pass 1", || passes[0].waiting() == 1).await;
        if to == Phase::Pass1 {
            return;
        }
        passes[0].open();
        eventually("its promise runs", || promises.running.get() == 1).await;
        if to == Phase::PromisesRunning {
            return;
        }
        // The request waits behind this one a second time.
        eventually("the connection is free", || pool.status().running == 0).await;
        let holder = self.hold().await;
        self.promise.add_permits(1);
        self.blocking.let_through(1);
        eventually("it waits again", || pool.status().queued == 1).await;
        if to == Phase::QueuedAgain {
            return;
        }
        self.hold.let_through(1);
        assert_eq!(holder.await.unwrap(), "held");
        eventually("pass 2", || passes[1].waiting() == 1).await;
        if to == Phase::Never {
            passes[1].open();
            eventually("the end", || request.is_finished()).await;
        }
    }

    fn open_all(&self) {
        self.hold.open();
        self.passes.iter().for_each(Gate::open);
        self.blocking.open();
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_any_phase_leaves_nothing_behind() {
    for phase in PHASES {
        for promise in PROMISES {
            // The request never reaches these phases; another test covers its deadline.
            let is_endless = matches!(promise, Promise::Never);
            if is_endless && matches!(phase, Phase::QueuedAgain | Phase::Pass2 | Phase::Never) {
                continue;
            }
            for end in ENDS {
                one(phase, promise, end).await;
            }
        }
    }
}

async fn one(phase: Phase, promise: Promise, end: End) {
    let what = format!("{phase:?}, {promise:?}, {end:?}");
    let scene = Scene::new(promise, end);
    let ledger = scene.site.ledger();
    let holder = scene.hold().await;
    let request = scene.start("/");
    scene.advance(&request, phase).await;
    request.abort();
    let answer = request.await;
    assert_eq!(answer.is_ok(), phase == Phase::Never, "{what}");
    if !matches!(promise, Promise::Blocks) {
        eventually("no promise runs", || {
            ledger.of::<PromiseBook>().running.get() == 0
        })
        .await;
    }
    eventually("nothing is set aside", || {
        ledger.of::<PromiseBook>().suspended.get() == 0
    })
    .await;
    scene.open_all();
    assert!(holder.await.is_ok());
    scene.site.quiet().await;

    // Publications of `/hold` are also counted.
    let published = match phase {
        Phase::Queued => 1,
        Phase::Pass1 | Phase::PromisesRunning => 2,
        Phase::QueuedAgain => 3,
        Phase::Pass2 => 4,
        Phase::Never if end == End::Again => 5,
        Phase::Never => 4,
    };
    eventually("holders end", || scene.site.pool.status().running == 0).await;
    assert_eq!(
        ledger.transactions.attempts.get(),
        published,
        "no further pass: {what}"
    );
    let promises = &ledger.of::<PromiseBook>();
    let counted = [
        &promises.ok,
        &promises.error,
        &promises.panic,
        &promises.elapsed,
        &promises.cancelled,
        &promises.shared,
    ];
    let asked = match phase {
        Phase::Queued | Phase::Pass1 => 0,
        Phase::Never if end == End::Again => 2,
        _ => 1,
    };
    assert_eq!(
        counted.iter().map(|counter| counter.get()).sum::<u64>(),
        asked,
        "each promise ends once: {what}"
    );
    assert_eq!(
        promises.cancelled.get(),
        u64::from(phase == Phase::PromisesRunning),
        "{what}"
    );
}
