//! Handles one socket from the first byte of HTTP to its close.

use std::convert::Infallible;
use std::error::Error as _;
use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use euryale_core::BoxError;
use euryale_core::error::PanicMessage;
use euryale_core::ledger::GaugeGuard;
use http::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, timeout, timeout_at};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tower_service::Service;

use crate::clock::{Clock, Parting, REST};
use crate::context::ServerContext;
use crate::edge::{Edge, refused};
use crate::incoming::Incoming;
use crate::socket::{Ending, Phase, ServerIo, Socket, SocketCell};
use crate::terms::Terms;
use crate::transport::Transport;

/// Runs hyper on one socket. Ends when hyper does (which after an upgrade leaves the socket to its
/// new owner), when the peer takes too long for something, or when the drain cuts. Between requests
/// that are far apart the socket rests, without hyper.
pub(crate) async fn converse<S, B>(
    shared: &ServerContext,
    terms: &Terms,
    mut socket: Socket<Transport>,
    edge: Edge<S>,
    cell: Arc<SocketCell>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    loop {
        let (io, mut given_back) = ServerIo::new(
            socket,
            terms.max_control_frames,
            terms.max_head,
            &shared.cut,
        );
        let spoken = speak(shared, terms, io, edge.clone(), &cell).await;
        let back = given_back.try_recv();
        let ending = match (spoken, &back) {
            (Spoken::Ended(ending), _) => Some(ending),
            (Spoken::Rests, Ok(socket)) => rest(shared, terms, socket, &cell).await,
            // Only hyper could still hold the socket, and hyper was dropped.
            (Spoken::Rests, Err(_)) => Some(Ending::Failed),
        };
        let ending = ending.map(|ending| cell.end(ending));
        let (back, ending) = match (back, ending) {
            (Ok(back), Some(ending)) => (back, ending),
            (Ok(back), None) => {
                socket = back;
                continue;
            }
            (Err(_), _) => match lend(shared, given_back, &cell).await {
                // The peer can still read what the route wrote last.
                Some(back) => (back, Ending::Finished),
                None => return,
            },
        };
        cell.is_no_longer_reusable();
        if cell.would_end_body(ending) {
            // A reset says that something is missing. Sockets of other kinds than TCP have none.
            back.io.forget();
            return;
        }
        tokio::select! {
            biased;
            () = shared.cut.cancelled() => {}
            () = part(back, ending, &cell) => {}
        }
        return;
    }
}

/// The time for which a drain waits for a peer that has connected and sent nothing yet. Its request
/// may be on its way, and closing the socket would reset it, so that a proxy would answer 502.
pub(crate) const FIRST_WORD: Duration = Duration::from_millis(250);

/// Afar ⇒ Lame ⇒ Awaits, for a peer that has said nothing yet ⇒ Told; Lame ⇒ Told or Parts for all
/// others.
enum Drain {
    Afar,
    /// A socket of HTTP/1 may stay idle until this resolves; answers say that it closes.
    Lame(Pin<Box<WaitForCancellationFutureOwned>>),
    Awaits(Pin<Box<Sleep>>),
    /// hyper finishes the current request.
    Told,
    /// The same for HTTP/2, where hyper waits for the peer's confirmation.
    Parts(Parting),
}

enum Spoken {
    Ended(Ending),
    /// No request is running, nothing is left to write, and everything that was read has been
    /// answered.
    Rests,
}

async fn speak<S, B>(
    shared: &ServerContext,
    terms: &Terms,
    io: ServerIo<Transport>,
    edge: Edge<S>,
    cell: &Arc<SocketCell>,
) -> Spoken
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // Each socket has its own tokens, because waiting on a shared one takes a lock that all sockets
    // share, at every wake-up.
    let drain = shared.drain.child_token();
    let cut = shared.cut.child_token();
    let peer = edge.peer().clone();
    // Boxed, and freed when the socket rests.
    let mut hyper = Box::pin(
        terms
            .http
            .serve_connection_with_upgrades(TokioIo::new(io), edge),
    );
    let mut draining = pin!(drain.cancelled());
    let mut cutting = pin!(cut.cancelled());
    let mut clock = pin!(Clock::new(terms.limits));
    let mut drain_state = Drain::Afar;
    let mut is_to_go = None;
    poll_fn(|cx| {
        loop {
            // A body that panics has to end its socket like one that fails.
            let Ok(polled) = PanicMessage::catch(|| hyper.as_mut().poll(cx)) else {
                return Poll::Ready(Spoken::Ended(Ending::Failed));
            };
            if let Poll::Ready(result) = polled {
                let is_draining = !matches!(drain_state, Drain::Afar);
                let ending = ending_of(result, cell, is_draining, |why| refused(cell, &peer, why));
                return Poll::Ready(Spoken::Ended(ending));
            }
            if cutting.as_mut().poll(cx).is_ready() {
                // Recorded before the requests are dropped, because they report it.
                return Poll::Ready(Spoken::Ended(cell.end(Ending::Cut)));
            }
            let phase = cell.phase();
            let is_silent = phase.0 == Phase::Silent;
            let is_over = match &mut drain_state {
                Drain::Afar if draining.as_mut().poll(cx).is_pending() => false,
                Drain::Afar => {
                    let close_idle = shared.close_idle.child_token();
                    drain_state = Drain::Lame(Box::pin(close_idle.cancelled_owned()));
                    continue;
                }
                // GOAWAY tells the peer at once, and requests on their way are still answered.
                Drain::Lame(_) if cell.has_greeted() => true,
                Drain::Lame(close_idle) => {
                    if close_idle.as_mut().poll(cx).is_pending() {
                        false
                    } else if is_silent {
                        drain_state = Drain::Awaits(Box::pin(tokio::time::sleep(FIRST_WORD)));
                        continue;
                    } else {
                        true
                    }
                }
                Drain::Awaits(sleep) => !is_silent || sleep.as_mut().poll(cx).is_ready(),
                Drain::Told => false,
                Drain::Parts(parting) => {
                    if parting.poll(cx, || cell.is_without_streams()).is_ready() {
                        return Poll::Ready(Spoken::Ended(Ending::Finished));
                    }
                    false
                }
            };
            if is_over {
                cell.is_no_longer_reusable();
                drain_state = if cell.has_greeted() {
                    Drain::Parts(Parting::new(cell.is_without_streams()))
                } else {
                    Drain::Told
                };
                hyper.as_mut().graceful_shutdown();
                continue;
            }
            // As far as is known, no request is on its way; the socket rests later.
            let may_go = is_silent || phase.0 == Phase::Idle && cell.is_http2();
            is_to_go = is_to_go.take().filter(|_| may_go);
            if let Some(crowd) = shared.admission.crowd.as_ref().filter(|_| may_go) {
                let is_to_go = is_to_go.get_or_insert_with(|| Box::pin(crowd.is_to_go()));
                if is_to_go.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Spoken::Ended(Ending::Idle));
                }
            }
            if cell.recent_resets() > terms.max_resets {
                return Poll::Ready(Spoken::Ended(Ending::Flood));
            }
            match clock.as_mut().poll(cx, phase, cell.is_http2()) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Phase::Idle) if cell.is_http2() => {
                    // A request may be on its way. GOAWAY tells the peer which requests are still
                    // answered (RFC 9113 §6.8).
                    cell.retire();
                    hyper.as_mut().graceful_shutdown();
                }
                Poll::Ready(Phase::Idle) => return Poll::Ready(Spoken::Rests),
                Poll::Ready(phase) => return Poll::Ready(Spoken::Ended(late(phase))),
            }
        }
    })
    .await
}

/// Waits for the next request without reading any of it. Returns `None` if something arrived.
async fn rest(
    shared: &ServerContext,
    terms: &Terms,
    socket: &Socket<Transport>,
    cell: &SocketCell,
) -> Option<Ending> {
    let _resting = GaugeGuard::new(&cell.book.sockets.resting, 1);
    tokio::select! {
        biased;
        () = shared.cut.cancelled() => Some(Ending::Cut),
        // A request that has already arrived when idle sockets close is answered.
        () = socket.io.readable() => None,
        () = shared.close_idle.cancelled() => Some(Ending::Finished),
        () = tokio::time::sleep(terms.limits.idle.saturating_sub(REST)) => Some(Ending::Idle),
        () = is_to_go(shared) => Some(Ending::Idle),
    }
}

/// Resolves when another peer needs the place of an idle socket, on listeners that allow this.
pub(crate) async fn is_to_go(shared: &ServerContext) {
    match &shared.admission.crowd {
        Some(crowd) => crowd.is_to_go().await,
        None => pending().await,
    }
}

/// Waits for an upgraded socket, which belongs to its route until the drain cuts it; after that it
/// can no longer be read or written.
async fn lend(
    shared: &ServerContext,
    mut given_back: oneshot::Receiver<Socket<Transport>>,
    cell: &SocketCell,
) -> Option<Socket<Transport>> {
    let began = Instant::now();
    cell.is_no_longer_reusable();
    // The socket is borrowed, because a returned socket is counted when its ending is known.
    tokio::select! {
        biased;
        () = shared.cut.cancelled() => {
            cell.end(Ending::Cut);
            if let Some((method, path)) = cell.upgraded() {
                let age = began.elapsed();
                tracing::warn!(%method, path = &**path, phase = "upgraded", ?age, "cut");
            }
            None
        }
        back = &mut given_back => back.ok(),
    }
}

/// Returns the ending of a socket whose phase has lasted too long.
fn late(phase: Phase) -> Ending {
    match phase {
        Phase::Silent => Ending::Silent,
        Phase::FirstHead | Phase::Head => Ending::HeadElapsed,
        // An idle socket rests, or retires first.
        Phase::Idle | Phase::Writing | Phase::Busy => Ending::Stalled,
        Phase::IdleAfterBody | Phase::Retiring => Ending::Idle,
    }
}

/// Calls `refused` with the reason if hyper has refused a request.
fn ending_of(
    result: Result<(), BoxError>,
    cell: &SocketCell,
    is_draining: bool,
    refused: impl Fn(&dyn fmt::Display),
) -> Ending {
    let Err(error) = result else {
        return if cell.phase().0 == Phase::Retiring {
            Ending::Idle
        } else {
            Ending::Finished
        };
    };
    if cell.has_long_target() {
        refused(&"the target is too long");
        return Ending::TargetTooLong;
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        if error.is_parse_too_large() {
            refused(error);
            return Ending::HeadTooLarge;
        }
        if error.is_parse() {
            refused(error);
            return Ending::Malformed;
        }
        if let Some(ending) = said_by_http2(error) {
            cell.tell();
            return ending;
        }
    }
    // The auto builder ends like this if it is shut down before it has seen a version.
    let cancelled = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::Interrupted);
    if is_draining && cancelled {
        return Ending::Finished;
    }
    tracing::debug!(%error, "socket failed");
    Ending::Failed
}

/// Returns the reason why h2 has closed a connection with GOAWAY (RFC 9113 §5.4.1).
fn said_by_http2(error: &hyper::Error) -> Option<Ending> {
    let error = error.source()?.downcast_ref::<h2::Error>()?;
    match error.reason()? {
        _ if !error.is_library() => None,
        h2::Reason::ENHANCE_YOUR_CALM => Some(Ending::Flood),
        _ => Some(Ending::Malformed),
    }
}

/// The silence after which a peer counts as having read the answer.
const SILENCE: Duration = Duration::from_secs(2);
/// The maximum time for which the peer's bytes are read.
const LONGEST: Duration = Duration::from_secs(10);
/// The maximum number of the peer's bytes that are read.
const MOST: usize = 64 << 20;

const TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

const URI_TOO_LONG: &[u8] =
    b"HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// GOAWAY with ENHANCE_YOUR_CALM (RFC 9113 §6.8, §7), which does not say which streams were
/// processed.
const GOAWAY: &[u8] = &[
    0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 11,
];

/// Writes the remaining bytes, and closes the socket in such a way that the peer can read them.
///
/// A socket that is closed while it holds unread bytes is reset, and the reset may overtake the
/// answer: a peer that is refused while it sends would never see the reason (RFC 9112 §9.6). So
/// arriving bytes are read and discarded, for a while.
async fn part(mut socket: Socket<Transport>, ending: Ending, cell: &SocketCell) {
    let word = match ending {
        Ending::HeadElapsed if cell.awaits_rest_of_head() => Some(TIMEOUT),
        Ending::Flood if cell.can_be_told() => Some(GOAWAY),
        Ending::TargetTooLong if cell.has_long_target() => Some(URI_TOO_LONG),
        _ => None,
    };
    let lingers = match ending {
        Ending::Stalled => {
            socket.io.forget();
            false
        }
        Ending::Malformed | Ending::HeadTooLarge | Ending::TargetTooLong | Ending::Flood => true,
        Ending::Cut | Ending::Silent | Ending::Idle => false,
        _ => word.is_some() || cell.is_unread() || cell.is_upgraded_and_open(),
    };
    if !lingers {
        return;
    }
    let until = Instant::now() + LONGEST;
    let speak = async {
        socket.io.write_all(word.unwrap_or_default()).await?;
        socket.io.shutdown().await
    };
    if matches!(timeout(SILENCE, speak).await, Ok(Ok(()))) {
        // The peer has closed the socket, fallen silent or used up its time.
        let _ = timeout_at(until, listen(&socket.io)).await;
    }
}

async fn listen(io: &Transport) {
    let mut buffer = vec![0; 16 << 10];
    let mut left = MOST;
    while let Ok(Some(count)) = timeout(SILENCE, io.discard(&mut buffer)).await {
        let Some(rest) = left.checked_sub(count) else {
            return;
        };
        left = rest;
    }
}
