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

use crate::limit::TimeLimit;
use crate::measure;
use crate::report::Goal;
use crate::statistics::Spread;
use crate::workload::Limit;

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

/// The maximum memory of a waiting request, in bytes.
const MOST: f64 = 2_500.0;
/// The maximum ratio of the memory of each request at the greatest depth to that at
/// [`COMPARED`].
const GROWTH: f64 = 1.2;
/// The least depth at which pages of the allocator do not blur the figure.
const COMPARED: usize = 100;

/// Measures all depths, prints a table in Markdown, and returns its goals.
pub(crate) fn run(time: &TimeLimit) -> Result<Vec<Goal>> {
    let mut bytes_each = Vec::new();
    println!(
        "# waiting\n\nRequests behind two workers that are stuck, in this process and without \
            sockets.\n"
    );
    println!("| waiting | bytes each | to come and to go | to be served |");
    println!("|---:|---:|---:|---:|");
    for depth in DEPTHS {
        if time.is_over() {
            break;
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let Row {
            bytes,
            visit,
            served,
        } = runtime.block_on(at_depth(depth))?;
        println!("| {depth} | {bytes} | {visit:.2?} | {served:.2?} |");
        bytes_each.push((depth, bytes as f64));
    }
    println!();
    Ok(goals(&bytes_each))
}

/// The memory of a waiting request at the greatest depth, and that it does not grow.
fn goals(bytes_each: &[(usize, f64)]) -> Vec<Goal> {
    let at = |depth| {
        let found = bytes_each.iter().find(|(found, _)| *found == depth);
        found.map(|(_, bytes)| *bytes)
    };
    let deepest = DEPTHS[DEPTHS.len() - 1];
    let goal = |case, value: Option<f64>, limit| Goal {
        table: "waiting".to_owned(),
        figure: "bytes each".to_owned(),
        case,
        value: Spread::of(value),
        limit: Limit::AtMost(limit),
    };
    let growth = at(deepest).zip(at(COMPARED));
    vec![
        goal(format!("{deepest} waiting"), at(deepest), MOST),
        goal(
            format!("{deepest} waiting / {COMPARED} waiting"),
            growth.map(|(deepest, compared)| deepest / compared),
            GROWTH,
        ),
    ]
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
