//! The accept loop.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use euryale_core::BoxError;
use http::{Request, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tower_service::Service;

use crate::context::ServerContext;
use crate::crowd::Crowd;
use crate::edge::MakeEdge;
use crate::incoming::Incoming;
use crate::listener::Listener;
use crate::welcome::welcome;

/// The maximum number of peers that may wait in the kernel to be accepted. Any further peers have
/// arrived after the stop.
const BACKLOG: usize = 1024;

/// Accepts peers until it has to stop, and then closes the listener. Peers that the kernel has
/// accepted by that time are still served: closing the listener would reset them.
pub(crate) async fn accept<S, B>(listener: Listener, make: MakeEdge<S>, shared: Arc<ServerContext>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut backoff = Backoff::new();
    let mut latecomers = 0;
    let mut waits = Waits::default();
    let stop = if listener.is_inherited {
        &shared.stop_inherited
    } else {
        &shared.stop
    };
    loop {
        let accepted = tokio::select! {
            biased;
            // The next process will accept the peers in the queue.
            () = stop.cancelled(), if listener.is_inherited => return,
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((raw, peer)) => {
                backoff = Backoff::new();
                if stop.is_cancelled() {
                    latecomers += 1;
                    if latecomers > BACKLOG {
                        return;
                    }
                }
                let Some(permit) = place(&shared, &mut waits).await else {
                    return;
                };
                shared.admission.tasks().spawn(welcome(
                    raw,
                    peer,
                    listener.before.clone(),
                    permit,
                    make.clone(),
                    shared.clone(),
                ));
            }
            Err(error) if is_the_peers(error.kind()) => {
                tracing::debug!(%error, "a peer was gone before it was accepted");
            }
            Err(error) => {
                let pause = backoff.pause();
                tracing::warn!(%error, ?pause, "cannot accept");
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
            }
        }
    }
}

/// Waits for a place among all sockets. Returns `None` if the loop must stop.
async fn place(shared: &ServerContext, waits: &mut Waits) -> Option<OwnedSemaphorePermit> {
    if let Some(permit) = shared.admission.try_place() {
        if let Some(peers) = waits.found(Instant::now()) {
            tracing::info!(peers, "new peers no longer wait; so many did");
        }
        return Some(permit);
    }
    let is_first = waits.waited(Instant::now());
    let crowd = shared.admission.crowd.as_ref();
    if is_first && crowd.is_some() {
        tracing::warn!(
            "the limit of open sockets is reached: the one that has been idle longest is closed \
             for each new one"
        );
    } else if is_first {
        tracing::warn!("the limit of open sockets is reached: new peers wait");
    }
    let _wanted = crowd.map(Crowd::want);
    let permit = tokio::select! {
        biased;
        () = shared.stop.cancelled() => None,
        permit = shared.admission.place() => permit,
    };
    waits.has_waited(Instant::now());
    permit
}

/// Peers that wait for a place. The log has one line at the beginning and one at the end, instead
/// of one for each peer of a full server.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    peers: u64,
    last: Option<Instant>,
}

impl Waits {
    /// The time without a waiting peer after which the overload is over: even a full server has a
    /// free place now and then.
    const CALM: Duration = Duration::from_secs(10);

    /// Records that a peer waits. Returns whether it is the first.
    pub(crate) fn waited(&mut self, now: Instant) -> bool {
        self.peers += 1;
        self.last = Some(now);
        self.peers == 1
    }

    /// Records that a waiting peer has found a place.
    pub(crate) fn has_waited(&mut self, now: Instant) {
        self.last = Some(now);
    }

    /// Records that a peer found a place at once. If that ends the overload, returns how many peers
    /// have waited.
    pub(crate) fn found(&mut self, now: Instant) -> Option<u64> {
        self.last
            .take_if(|last| now.duration_since(*last) >= Self::CALM)?;
        Some(std::mem::take(&mut self.peers))
    }
}

/// Returns whether an error concerns only one peer, so that the next accept returns the next peer.
fn is_the_peers(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

/// The pause after a failed accept. When descriptors or memory have run out, the peer stays in the
/// kernel's queue and the next accept fails at once: without a pause the loop would spin.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(5);
    const LONGEST: Duration = Duration::from_secs(1);

    pub(crate) fn new() -> Self {
        Self { next: Self::FIRST }
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        pause
    }
}
