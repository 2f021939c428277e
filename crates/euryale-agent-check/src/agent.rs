//! The listener.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use euryale_core::pool::PoolControl;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::full::Full;
use crate::{Answer, Load, Standing};

/// Answers HAProxy's agent checks; see the [crate's documentation](crate).
///
/// Clones are handles to the same agent and share its memory of whether the node is full.
#[derive(Clone)]
#[must_use]
pub struct AgentCheck {
    load: Arc<dyn Fn() -> Load + Send + Sync>,
    full: Arc<Mutex<Full>>,
    patience: Duration,
}

/// A publication that has run for this long counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

/// Each check is one short connection, so no set of balancers needs more than this at a time.
const MOST_PEERS: usize = 64;
/// The answer is a line of fifty bytes, which fits into the socket's buffer, so that a working peer
/// needs far less time than this.
const SLOWEST_PEER: Duration = Duration::from_secs(1);
/// The pause after a failed accept, which most likely failed for want of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

impl AgentCheck {
    /// Reports the load of `pool`. The node is ready until the pool is closed, and can hold
    /// `capacity` requests at a time ([`Load::capacity`]). A worker whose job has run for 60 s
    /// counts as stuck.
    ///
    /// ```
    /// use euryale_agent_check::AgentCheck;
    /// use euryale_connection::Pool;
    ///
    /// let agent = AgentCheck::new(&Pool::new((), 4), 20_000);
    /// assert_eq!(agent.answer().to_string(), "up ready 100% maxconn:20000");
    /// ```
    pub fn new(pool: &(impl PoolControl + Clone + 'static), capacity: usize) -> Self {
        let pool = pool.clone();
        Self::asking(move || Load {
            capacity,
            ..Load::of(&pool.status(), STUCK)
        })
    }

    /// Reports this standing instead of deriving it from the state of the pool. `standing` is
    /// called for each check on a runtime thread, and must not wait.
    pub fn standing(self, standing: impl Fn() -> Standing + Send + Sync + 'static) -> Self {
        let load = self.load;
        Self {
            load: Arc::new(move || Load {
                standing: standing(),
                ..load()
            }),
            ..self
        }
    }

    /// Reports the load that `load` returns, for programs that open their pool later or have
    /// several pools. `load` is called for each check on a runtime thread, and must not block.
    pub fn asking(load: impl Fn() -> Load + Send + Sync + 'static) -> Self {
        Self {
            load: Arc::new(load),
            full: Arc::default(),
            patience: Duration::from_secs(2),
        }
    }

    /// The wait of the oldest request at which the weight has dropped to a quarter. Default: 2 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Returns the current answer to a check: [`Answer::of`] the load, with hysteresis.
    ///
    /// A node that is full keeps the weight 1 until a worker has been free at every check for
    /// 500 ms. Otherwise a node under heavy load would be emptied and flooded in turn.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let load = (self.load)();
        let is_full = {
            let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
            full.look(&load, Instant::now())
        };
        match Answer::of(&load, self.patience) {
            Answer::Up { maxconn, .. } if is_full => Answer::Up { weight: 1, maxconn },
            answer => answer,
        }
    }

    /// Answers each peer of `listener` with one line, and closes the connection. The future never
    /// completes. Drop it to stop, but only after the drain: until then the agent has to tell the
    /// balancer that the node is draining.
    pub async fn serve(self, listener: TcpListener) {
        self.serve_from(|cx| listener.poll_accept(cx)).await;
    }

    /// Like [`serve`](Self::serve), for the peers that `accept` returns. `accept` is polled like
    /// [`TcpListener::poll_accept`]; use it for a listener with its own reserve of descriptors,
    /// such as `euryale_core::body::Reserve` has.
    pub async fn serve_from(
        self,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>>,
    ) {
        let peers = Arc::new(Semaphore::new(MOST_PEERS));
        loop {
            match poll_fn(&mut accept).await {
                Ok((stream, peer)) => match Arc::clone(&peers).try_acquire_owned() {
                    Ok(place) => {
                        let line = format!("{}\n", self.answer());
                        tokio::spawn(async move {
                            let _place = place;
                            tell(stream, peer, &line).await;
                        });
                    }
                    Err(_) => {
                        tracing::debug!(%peer, "too many agent checks at a time");
                    }
                },
                Err(error) => {
                    tracing::debug!(%error, "an agent check could not be accepted");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Sends the line and ends the stream. Data that HAProxy may have sent (`agent-send`) is not read.
async fn tell(mut stream: TcpStream, peer: SocketAddr, line: &str) {
    let told = timeout(SLOWEST_PEER, async {
        stream.write_all(line.as_bytes()).await?;
        stream.shutdown().await
    });
    let told = told
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    if let Err(error) = told {
        tracing::debug!(%peer, %error, "an agent check was not answered");
    }
}

impl fmt::Debug for AgentCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentCheck")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
