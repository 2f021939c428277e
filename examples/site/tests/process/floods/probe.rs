//! Probes request a page and `/livez` at fixed times, whether or not earlier requests have been
//! answered. Each latency counts from the time at which its request was due, so a stall shows in
//! every request that was due during it.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use euryale_test::{Answer, RawClient};
use http::header;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use super::super::Running;

/// A page that takes a worker, a connection and the theme.
const PAGE: &str = "/history";
/// The pause between two requests for the page, and between two for `/livez`.
const PAUSE: Duration = Duration::from_millis(50);
/// A request without an answer after this time has failed.
const LATE: Duration = Duration::from_secs(10);
/// The number of sockets of [`Sockets::Kept`].
const KEPT: usize = 8;

/// The sockets on which pages are requested.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sockets {
    /// A new one for each page.
    New,
    /// Sockets of readers that connected before the flood. They are for a flood that takes all
    /// sockets of the site: new sockets then wait by design until others close, whichever client
    /// they belong to, so only pages of connected readers can be fast.
    Kept,
}

/// Both probes. They run on a thread of their own, apart from the clients of the flood.
pub(super) struct Probe {
    runtime: Runtime,
    site: SocketAddr,
    admin: SocketAddr,
    kept: Option<Arc<Kept>>,
}

impl Probe {
    pub(super) fn new(site: &Running, sockets: Sockets) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let public = site.public[0];
        let kept = match sockets {
            Sockets::New => None,
            Sockets::Kept => Some(Arc::new(runtime.block_on(Kept::connect(public)).unwrap())),
        };
        Self {
            runtime,
            site: public,
            admin: site.admin,
            kept,
        }
    }

    /// Probes for this time.
    pub(super) fn run(&self, time: Duration) -> Heard {
        self.runtime.block_on(async {
            let page = || {
                let kept = self.kept.clone();
                let site = self.site;
                async move {
                    match kept {
                        Some(kept) => kept.get(site).await,
                        None => RawClient::connect(site).await?.get(PAGE).await,
                    }
                }
            };
            let live = || {
                let admin = self.admin;
                async move { RawClient::connect(admin).await?.get("/livez").await }
            };
            let (pages, live) = tokio::join!(paced(time, page), paced(time, live));
            Heard { pages, live }
        })
    }
}

/// Sends a request every [`PAUSE`] for this time, then waits for the last answers.
async fn paced<F>(time: Duration, ask: impl Fn() -> F) -> Answers
where
    F: Future<Output = io::Result<Answer>> + Send + 'static,
{
    let end = Instant::now() + time;
    // Missed ticks follow at once, each with the time at which it was due.
    let mut pace = interval(PAUSE);
    let mut asked = JoinSet::new();
    loop {
        let due = pace.tick().await;
        if due >= end {
            break;
        }
        let answer = timeout(LATE, ask());
        asked.spawn(async move {
            let failure = match answer.await {
                Ok(Ok(answer)) if answer.status == 200 => None,
                Ok(Ok(answer)) => Some(answer.status.to_string()),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {LATE:?}")),
            };
            (due.elapsed(), failure)
        });
    }
    let mut answers = Answers::default();
    for (latency, failure) in asked.join_all().await {
        answers.latencies.push(latency);
        if let Some(failure) = failure {
            *answers.failures.entry(failure).or_default() += 1;
        }
    }
    answers.latencies.sort();
    answers
}

/// The answers to both probes.
pub(super) struct Heard {
    pub(super) pages: Answers,
    /// Of `/livez`.
    pub(super) live: Answers,
}

/// The answers to one address.
#[derive(Default)]
pub(super) struct Answers {
    /// Sorted.
    latencies: Vec<Duration>,
    /// Errors and statuses other than 200, with the number of each.
    pub(super) failures: BTreeMap<String, usize>,
}

impl Answers {
    pub(super) fn count(&self) -> usize {
        self.latencies.len()
    }

    /// The 99th percentile of the latencies.
    pub(super) fn p99(&self) -> Duration {
        let rank = (self.latencies.len() * 99).div_ceil(100);
        self.latencies[rank.max(1) - 1]
    }

    pub(super) fn worst(&self) -> Duration {
        self.latencies[self.latencies.len() - 1]
    }
}

/// Sockets that stay open and take turns.
struct Kept {
    free: Mutex<VecDeque<RawClient>>,
    places: Semaphore,
}

impl Kept {
    async fn connect(site: SocketAddr) -> io::Result<Self> {
        let mut free = VecDeque::new();
        for _ in 0..KEPT {
            let mut socket = RawClient::connect(site).await?;
            // The answer shows that the site has accepted the socket.
            socket.get(PAGE).await?;
            free.push_back(socket);
        }
        Ok(Self {
            free: Mutex::new(free),
            places: Semaphore::new(KEPT),
        })
    }

    async fn get(&self, site: SocketAddr) -> io::Result<Answer> {
        let _place = self.places.acquire().await.unwrap();
        let free = self.free.lock().unwrap().pop_front();
        let mut socket = match free {
            Some(socket) => socket,
            // It replaces a closed one.
            None => RawClient::connect(site).await?,
        };
        let answer = socket.get(PAGE).await?;
        let closes = answer.headers.get(header::CONNECTION);
        if closes.is_none_or(|value| value != "close") {
            self.free.lock().unwrap().push_back(socket);
        }
        Ok(answer)
    }
}
