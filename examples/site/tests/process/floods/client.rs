//! The clients of a flood. Each restarts its part as soon as that has ended.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::{Instant, sleep_until};

use super::Flood;

/// The pause of a client after a 503, as its `Retry-After` asks. Without the pause, a flood of open
/// files would become a flood of refused requests and measure something else.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// The maximum number of bytes that all clients together send in a second, as on a line of
/// 1 Gbit/s. Loopback is faster than such a line, and at its speed the clients would mostly compete
/// with the site for the processor.
const LINE: u32 = 125_000_000;

/// The number of streams that one HTTP/2 socket may have open.
pub(super) const STREAMS: usize = 100;

/// The whole work of a client, which never ends by itself.
pub(super) type Life = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One client of a flood.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) site: SocketAddr,
    pub(super) number: usize,
    tally: Tally,
    line: Line,
}

impl Client {
    /// Waits until the shared line is free, and reserves it for this number of bytes.
    pub(super) async fn room(&self, bytes: usize) {
        let from = self.line.take(bytes);
        sleep_until(from).await;
    }

    /// Restarts a part each time it has ended.
    pub(super) async fn repeat<F>(&self, mut part: impl FnMut() -> F)
    where
        F: Future<Output = io::Result<End>>,
    {
        loop {
            let end = part().await;
            self.ended(end).await;
        }
    }

    /// Counts the end of a part, and pauses if the site has asked for a pause.
    pub(super) async fn ended(&self, end: io::Result<End>) {
        let end = end.unwrap_or(End::Closed);
        self.tally.add(end);
        if end == End::Answered(503) {
            tokio::time::sleep(AFTER_REFUSAL).await;
        }
        // Other clients run even if this part never waited.
        tokio::task::yield_now().await;
    }
}

/// The time from which the line is free.
#[derive(Clone)]
struct Line(Arc<Mutex<Instant>>);

impl Line {
    /// Reserves the line for this number of bytes. Returns the time at which they may be sent.
    fn take(&self, bytes: usize) -> Instant {
        let mut free = self.0.lock().unwrap();
        let from = Instant::now().max(*free);
        *free = from + Duration::from_secs(1) * u32::try_from(bytes).unwrap() / LINE;
        from
    }
}

/// The end of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// With this status.
    Answered(u16),
    /// The site closed the socket or the stream.
    Closed,
    /// The client hung up.
    Left,
}

/// The ends of all parts, with the number of each.
#[derive(Clone, Default)]
pub(super) struct Tally(Arc<Mutex<BTreeMap<End, u64>>>);

impl Tally {
    fn add(&self, end: End) {
        *self.0.lock().unwrap().entry(end).or_default() += 1;
    }

    pub(super) fn count(&self, end: End) -> u64 {
        self.0.lock().unwrap().get(&end).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = self.0.lock().unwrap();
        for (at, (end, count)) in ends.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match end {
                End::Answered(status) => write!(f, "{comma}{count} × {status}")?,
                End::Closed => write!(f, "{comma}{count} closed")?,
                End::Left => write!(f, "{comma}{count} left")?,
            }
        }
        Ok(())
    }
}

/// All clients of a flood, on one thread. Dropping it closes their sockets.
pub(super) struct Crowd {
    pub(super) tally: Tally,
    _runtime: Runtime,
}

impl Crowd {
    pub(super) fn start(flood: &Flood, site: SocketAddr, clients: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let tally = Tally::default();
        let line = Line(Arc::new(Mutex::new(Instant::now())));
        for number in 0..clients {
            let client = Client {
                site,
                number,
                tally: tally.clone(),
                line: line.clone(),
            };
            runtime.spawn((flood.client)(client));
        }
        Self {
            tally,
            _runtime: runtime,
        }
    }
}
