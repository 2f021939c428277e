//! The cost of a waiting request: memory while it waits, the time to enter and to leave the queue,
//! and the time until it is served.
//!
//! In this process and without sockets: a stack whose workers are stuck, and requests queued behind
//! them.

use std::future::Future;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use euryale::{Body, Pool, Response, Stack, StackService};
use euryale_test::{Gate, eventually};
use tokio::task::JoinSet;
use tower::Service;

use crate::measure;
use crate::statistics::Spread;

/// The number of requests that wait.
const DEPTHS: [usize; 5] = [1, 10, 100, 1_000, 10_000];
/// The number of requests that enter and leave the queue in each round, and the number of rounds.
const VISITS: u32 = 20_000;
const ROUNDS: usize = 7;

/// The figures for one depth of the queue.
struct Row {
    bytes: u64,
    visit: Duration,
    served: Duration,
}

/// Measures all depths, and prints a table in Markdown.
pub(crate) fn run() -> Result<()> {
    println!(
        "# waiting\n\nRequests behind two workers that are stuck, in this process and without \
            sockets.\n"
    );
    println!("| waiting | bytes each | to come and to go | to be served |");
    println!("|---:|---:|---:|---:|");
    for depth in DEPTHS {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let Row {
            bytes,
            visit,
            served,
        } = runtime.block_on(at_depth(depth))?;
        println!("| {depth} | {bytes} | {visit:.2?} | {served:.2?} |");
    }
    println!();
    Ok(())
}

async fn at_depth(depth: usize) -> Result<Row> {
    let pool = Pool::builder(())
        .connections(2)
        .max_queue(depth + 1)
        .build();
    let gate = Gate::new();
    let held = gate.clone();
    let mut service = Stack::new(pool.clone()).publish(move |_, _| {
        held.wait();
        Ok(Response::new(Body::empty()))
    });
    let mut requests = JoinSet::new();
    for _ in 0..2 {
        requests.spawn(service.call(request()));
    }
    eventually("both workers are stuck", || gate.waiting() == 2).await;

    let before = measure::resident(std::process::id())?;
    for _ in 0..depth {
        requests.spawn(service.call(request()));
    }
    eventually("all wait", || pool.status().queued == depth).await;
    let bytes = measure::resident(std::process::id())?.saturating_sub(before) / depth as u64;

    let mut visits = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..VISITS {
            come_and_go(&mut service);
        }
        visits.push(began.elapsed().as_secs_f64() / f64::from(VISITS));
    }
    let visit = Spread::of(visits).context("no rounds")?.median;

    let began = Instant::now();
    gate.open();
    while requests.join_next().await.is_some() {}
    let served = began.elapsed() / u32::try_from(depth + 2)?;
    Ok(Row {
        bytes,
        visit: Duration::from_secs_f64(visit),
        served,
    })
}

fn request() -> http::Request<String> {
    http::Request::new(String::new())
}

/// A request that waits in the queue until its client disconnects.
fn come_and_go(service: &mut StackService) {
    let mut answer = std::pin::pin!(service.call(request()));
    let pending = answer
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending();
    assert!(pending, "the workers are stuck");
}
