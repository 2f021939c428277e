//! Transactions on PostgreSQL beside other pools, in this process and without HTTP.
//!
//! Each pool is set up as its documentation recommends for speed: statements stay prepared if the
//! pool can keep them, and no pool asks the server whether a connection still works. All of them
//! run the same transactions at the same isolation. Only `euryale` also marks its commits, as it
//! does by default; `euryale, no marks` does what the others do.

mod pools;

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use euryale_test::engines::Postgres as Server;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use self::pools::POOLS;
use crate::cli::Options;
use crate::limit::TimeLimit;
use crate::report::{Goal, goals};
use crate::statistics::Spread;
use crate::workload::Limit;

/// Callers at a time, each of which has a row of its own.
const CALLERS: i32 = 64;
/// Connections of a pool.
const CAPS: [usize; 2] = [2, 16];
/// Before a run is measured: connections are opened and statements prepared.
const WARM_UP: Duration = Duration::from_millis(300);
/// The number of the first rows of [`POOLS`] that are ours. The best of the others is the base.
const OURS: usize = 2;

const READ: &str = "SELECT value FROM counter WHERE id = $1";
const WRITE: &str = "UPDATE counter SET value = value + 1 WHERE id = $1";

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// Begins read-only, selects a row, and ends.
    Read,
    /// Begins, selects a row, updates it, and commits.
    Write,
}

/// What a bar demands of the ratio to the best of the other pools.
struct Bars {
    rate: f64,
    p99: f64,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Read, Self::Write];

    fn title(self) -> &'static str {
        match self {
            Self::Read => "readers",
            Self::Write => "writers",
        }
    }

    fn bars(self) -> Bars {
        match self {
            Self::Read => Bars {
                rate: 1.15,
                p99: 1.2,
            },
            Self::Write => Bars {
                rate: 0.97,
                p99: 1.2,
            },
        }
    }
}

/// One run of one pool.
struct Task<'a> {
    url: &'a str,
    cap: usize,
    kind: Kind,
    time: Duration,
}

/// The figures of one run.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Transactions, with those of the warm-up.
    all: u64,
    per_second: f64,
    p99_ms: f64,
    /// Of this process; the server's is the same for all.
    cpu_micros: f64,
}

/// Measures in rounds, prints tables in Markdown, and returns their goals.
pub(crate) fn run(options: &Options, limit: &TimeLimit) -> Result<Vec<Goal>> {
    println!(
        "# postgres\n\nTransactions of {CALLERS} callers, in this process and without HTTP; \
            PostgreSQL is on this machine, behind a Unix socket, with fsync.\n"
    );
    let Some(server) = Server::start() else {
        println!("Without PostgreSQL there is nothing to measure: apt-get install postgresql\n");
        return Ok(Vec::new());
    };
    let mut goals = Vec::new();
    let name = server.create_database();
    let url = server.url(&name);
    let schema = format!(
        "CREATE TABLE counter (id int PRIMARY KEY, value int NOT NULL) WITH (fillfactor = 50);
         INSERT INTO counter SELECT n, 0 FROM generate_series(0, {CALLERS} - 1) n;"
    );
    euryale_postgres::Postgres::open(&url)?.migrate(&[&schema])?;
    let time = Duration::from_secs(u64::from(options.seconds));
    for kind in Kind::ALL {
        for cap in CAPS {
            let mut runs = vec![Vec::new(); POOLS.len()];
            for _ in 0..options.runs {
                for (index, (pool, measure)) in POOLS.iter().enumerate() {
                    if limit.is_over() {
                        continue;
                    }
                    let task = Task {
                        url: &url,
                        cap,
                        kind,
                        time,
                    };
                    // No pool pays for the dead rows of the one before it.
                    for sql in [
                        "UPDATE counter SET value = 0",
                        "VACUUM counter",
                        "CHECKPOINT",
                    ] {
                        server.sql(&name, sql);
                    }
                    let run = measure(&task).with_context(|| (*pool).to_owned())?;
                    if kind == Kind::Write {
                        let found = server.sql(&name, "SELECT sum(value) FROM counter");
                        if found != run.all.to_string() {
                            bail!("{pool}: {} writes were answered, {found} done", run.all);
                        }
                    }
                    runs[index].push(run);
                }
            }
            goals.extend(print_table(kind, cap, &runs));
        }
    }
    Ok(goals)
}

/// Prints a table, and returns its goals.
fn print_table(kind: Kind, cap: usize, runs: &[Vec<Run>]) -> [Goal; 2] {
    println!("## {}, {cap} connections\n", kind.title());
    println!("| | transactions/s | p99 ms | CPU µs each | × the best rate | × its p99 |");
    println!("|---|---:|---:|---:|---:|---:|");
    let rounds = runs.iter().map(Vec::len).min().unwrap_or(0);
    // Round by round: the fastest of the others, and its p99.
    let best: Vec<Run> = (0..rounds)
        .filter_map(|round| {
            let others = runs[OURS..].iter().map(|runs| runs[round]);
            others.max_by(|a, b| a.per_second.total_cmp(&b.per_second))
        })
        .collect();
    let ratios = |runs: &[Run], of: fn(&Run) -> f64| {
        Spread::of(runs.iter().zip(&best).map(|(run, best)| of(run) / of(best)))
    };
    for ((pool, _), runs) in POOLS.iter().zip(runs) {
        let spread = |of: fn(&Run) -> f64, digits| {
            Spread::of(runs.iter().map(of)).map_or_else(String::new, |spread| spread.show(digits))
        };
        let ratio = |of| ratios(runs, of).map_or_else(String::new, |ratio| ratio.show(2));
        println!(
            "| {pool} | {} | {} | {} | {} | {} |",
            spread(|run| run.per_second, 0),
            spread(|run| run.p99_ms, 2),
            spread(|run| run.cpu_micros, 1),
            ratio(|run| run.per_second),
            ratio(|run| run.p99_ms),
        );
    }
    let bars = kind.bars();
    let ours = &runs[0];
    let goal = |figure: &str, value, limit| Goal {
        table: format!("PostgreSQL, {}, {cap} connections", kind.title()),
        figure: figure.to_owned(),
        case: format!("`{}` / the fastest of the others", POOLS[0].0),
        value,
        limit,
    };
    let goals = [
        goal(
            "transactions per second",
            ratios(ours, |run| run.per_second),
            Limit::AtLeast(bars.rate),
        ),
        goal(
            "p99 ms",
            ratios(ours, |run| run.p99_ms),
            Limit::AtMost(bars.p99),
        ),
    ];
    println!("{}", goals::of_table(&goals));
    goals
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(2).enable_all().build()?)
}

/// Calls from all callers at once, first to warm up.
async fn drive<F, Fut>(time: Duration, call: F) -> Result<Run>
where
    F: Fn(i32) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<()>> + Send,
{
    let warmed = drive_for(WARM_UP, call.clone()).await?;
    let run = drive_for(time, call).await?;
    Ok(Run {
        all: warmed.all + run.all,
        ..run
    })
}

async fn drive_for<F, Fut>(time: Duration, call: F) -> Result<Run>
where
    F: Fn(i32) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Result<()>> + Send,
{
    let start = std::sync::Arc::new(Barrier::new(usize::try_from(CALLERS)? + 1));
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        let call = call.clone();
        let start = std::sync::Arc::clone(&start);
        callers.spawn(async move {
            start.wait().await;
            let end = Instant::now() + time;
            let mut micros = Vec::new();
            loop {
                let began = Instant::now();
                if began >= end {
                    break;
                }
                call(number).await?;
                micros.push(u32::try_from(began.elapsed().as_micros())?);
            }
            anyhow::Ok(micros)
        });
    }
    start.wait().await;
    let began = Instant::now();
    let cpu = process_seconds();
    let mut micros = Vec::new();
    while let Some(caller) = callers.join_next().await {
        micros.append(&mut caller??);
    }
    let wall = began.elapsed().as_secs_f64();
    let cpu = process_seconds() - cpu;
    micros.sort_unstable();
    let p99 = micros.get(micros.len() * 99 / 100);
    let p99 = p99.context("no transaction ended")?;
    let transactions = micros.len() as u64;
    Ok(Run {
        all: transactions,
        per_second: transactions as f64 / wall,
        p99_ms: f64::from(*p99) / 1e3,
        cpu_micros: cpu / transactions as f64 * 1e6,
    })
}

fn process_seconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
