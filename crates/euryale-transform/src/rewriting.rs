//! The body of a page that is rewritten while it is sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use euryale_core::error::{ELAPSED, NO_WORKER};
use euryale_core::ledger::GaugeGuard;
use euryale_core::threads::BlockingLane;
use euryale_core::{Body, BoxError, Error};
use http_body::Frame;

use crate::parse::Parse;
use crate::watch::Watch;

/// The number of bytes that are parsed at a time on a runtime thread, and on a CPU thread.
const PIECE_HERE: usize = 16 << 10;
const PIECE_AWAY: usize = 256 << 10;

/// The maximum number of bytes of the source that are kept until the first byte is sent.
const MOST_KEPT: usize = 256 << 10;

/// The number of pages that begin on a CPU thread after one over the budget.
const DISTRUST: u32 = 16;

/// The time for which one poll may run on a runtime thread, estimated from earlier pages.
#[derive(Debug)]
pub(crate) struct Budget {
    each: Duration,
    distrusted: AtomicU32,
}

impl Budget {
    /// Creates a budget. Until there is an estimate, pages begin on a CPU thread.
    pub(crate) fn new(each: Duration) -> Self {
        Self {
            each,
            distrusted: AtomicU32::new(1),
        }
    }

    fn begin(&self) -> Duration {
        if self.distrusted.load(Relaxed) > 0 {
            self.each
        } else {
            Duration::ZERO
        }
    }

    fn end(&self, took: Duration) {
        let next = |left: u32| {
            Some(if took > self.each {
                DISTRUST
            } else {
                left.saturating_sub(1)
            })
        };
        // The closure never returns `None`.
        let _ = self.distrusted.fetch_update(Relaxed, Relaxed, next);
    }
}

/// The threads on which pages are rewritten, and the limits.
#[derive(Clone, Debug)]
pub(crate) struct Where {
    pub(crate) cpu: BlockingLane,
    pub(crate) budget: Arc<Budget>,
    pub(crate) deadline: Duration,
}

pub(crate) struct Rewriting {
    source: Body,
    // Bytes that have been read and not parsed yet.
    unread: Bytes,
    source_ended: bool,
    source_failed: bool,
    state: Parsing,
    spent: Duration,
    place: Where,
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    watches: Vec<Arc<Watch>>,
    _running: Arc<GaugeGuard>,
}

/// Here ⇒ Away when the budget is used up; Away ⇒ Here after each piece. Both ⇒ Ended after the
/// last byte or an error.
enum Parsing {
    Here(Box<Parse>),
    Away(Away),
    Ended,
}

/// A piece that a CPU thread is parsing.
struct Away {
    slot: Arc<Slot>,
    done: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
}

/// The parse and its next piece until a thread takes them, and the parse again when the thread
/// returns it.
struct Slot(Mutex<Option<(Box<Parse>, Next)>>);

enum Next {
    Piece(Option<Bytes>),
    Fed,
}

impl Slot {
    fn take(&self) -> Option<(Box<Parse>, Next)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, parse: Box<Parse>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((parse, Next::Fed));
    }
}

impl Rewriting {
    pub(crate) fn new(source: Body, parse: Parse, place: Where, running: Arc<GaugeGuard>) -> Self {
        let watches = parse.watches().to_vec();
        Self {
            source,
            unread: Bytes::new(),
            source_ended: false,
            source_failed: false,
            state: Parsing::Here(Box::new(parse)),
            spent: place.budget.begin(),
            place,
            kept: Some(Vec::new()),
            kept_bytes: 0,
            watches,
            _running: running,
        }
    }

    /// Returns whether it is waiting for a thread, and not for the source.
    pub(crate) fn is_computing(&self) -> bool {
        matches!(self.state, Parsing::Away(_))
    }

    /// Stops keeping the source, because a part has been sent.
    pub(crate) fn forget(&mut self) {
        self.kept = None;
    }

    /// Returns whether the maximum number of bytes has been kept.
    pub(crate) fn is_full(&self) -> bool {
        self.kept_bytes >= MOST_KEPT
    }

    /// Returns the original page: the part that was read, and the rest, which is `None` if the
    /// source failed. Only for a page of which nothing has been sent.
    pub(crate) fn into_source(self) -> (Vec<Bytes>, Option<Body>) {
        let read = self.kept.unwrap_or_default();
        match self.source_failed {
            true => (read, None),
            false if self.source_ended => (read, Some(Body::empty())),
            false => (read, Some(self.source)),
        }
    }

    fn keep(&mut self, data: &Bytes) {
        self.kept_bytes += data.len();
        if let Some(kept) = &mut self.kept {
            kept.push(data.clone());
        }
    }

    /// Parses the next piece: on this thread, or on a CPU thread if the budget is used up.
    fn feed(&mut self, mut parse: Box<Parse>) -> Parsing {
        let is_over = self.spent >= self.place.budget.each && !parse.does_nothing();
        let most = if is_over { PIECE_AWAY } else { PIECE_HERE };
        let piece =
            (!self.unread.is_empty()).then(|| self.unread.split_to(most.min(self.unread.len())));
        if is_over {
            return Parsing::Away(Away::start(parse, piece, &self.place));
        }
        let before = parse.busy();
        parse.feed(piece.as_deref());
        self.spent += parse.busy().saturating_sub(before);
        Parsing::Here(parse)
    }

    /// Returns the parse after a thread has had it, or the reason why it is lost.
    fn came_back(&self, slot: &Slot, done: Result<(), Error>) -> Result<Box<Parse>, BoxError> {
        match (slot.take(), done) {
            (Some((parse, Next::Fed)), _) => Ok(parse),
            (Some((mut parse, Next::Piece(piece))), done) => {
                // No thread was free in time. Without its handlers, the rest of the page costs
                // little.
                parse.give_up(done.err().unwrap_or_else(|| Error::new(NO_WORKER)).into());
                parse.feed(piece.as_deref());
                Ok(parse)
            }
            // A thread has the pass, and may never return it.
            (None, done) => {
                let error = done.err().unwrap_or_else(|| Error::new(NO_WORKER));
                for watch in &self.watches {
                    watch.fail(&error);
                }
                Err(error.into())
            }
        }
    }

    fn end(&mut self, took: Duration) {
        self.place.budget.end(took);
        self.state = Parsing::Ended;
    }
}

impl Away {
    fn start(parse: Box<Parse>, piece: Option<Bytes>, place: &Where) -> Self {
        let shared = Arc::new(Slot(Mutex::new(Some((parse, Next::Piece(piece))))));
        let theirs = Arc::clone(&shared);
        let cpu = place.cpu.clone();
        let deadline = place.deadline;
        let work = async move {
            cpu.run(move || {
                if let Some((mut parse, Next::Piece(piece))) = theirs.take() {
                    parse.feed(piece.as_deref());
                    theirs.put(parse);
                }
            })
            .await
        };
        let done = async move {
            tokio::time::timeout(deadline, work)
                .await
                .unwrap_or_else(|_| Err(Error::new(ELAPSED)))
        };
        Self {
            slot: shared,
            done: Box::pin(done),
        }
    }
}

impl http_body::Body for Rewriting {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let mut parse = match &mut this.state {
                Parsing::Ended => return Poll::Ready(None),
                Parsing::Away(away) => {
                    let done = ready!(away.done.as_mut().poll(cx));
                    let slot = Arc::clone(&away.slot);
                    match this.came_back(&slot, done) {
                        Ok(parse) => parse,
                        Err(error) => {
                            this.end(Duration::MAX);
                            return Poll::Ready(Some(Err(error)));
                        }
                    }
                }
                Parsing::Here(_) => match std::mem::replace(&mut this.state, Parsing::Ended) {
                    Parsing::Here(parse) => parse,
                    _ => return Poll::Ready(None),
                },
            };
            if let Some(error) = parse.take_broken() {
                this.end(Duration::MAX);
                return Poll::Ready(Some(Err(error)));
            }
            let written = parse.take_written();
            if !written.is_empty() {
                this.state = Parsing::Here(parse);
                return Poll::Ready(Some(Ok(Frame::data(written))));
            }
            if parse.has_ended() {
                this.end(parse.busy());
                return Poll::Ready(None);
            }
            if parse.is_idle() && !this.unread.is_empty() {
                let rest = std::mem::take(&mut this.unread);
                this.state = Parsing::Here(parse);
                return Poll::Ready(Some(Ok(Frame::data(rest))));
            }
            if !this.unread.is_empty() || this.source_ended {
                this.state = this.feed(parse);
                continue;
            }
            this.state = Parsing::Here(parse);
            match ready!(Pin::new(&mut this.source).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // Trailers describe the original page.
                    if let Ok(data) = frame.into_data() {
                        this.keep(&data);
                        this.unread = data;
                    }
                }
                Some(Err(error)) => {
                    this.source_failed = true;
                    this.state = Parsing::Ended;
                    return Poll::Ready(Some(Err(error)));
                }
                None => this.source_ended = true,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, Parsing::Ended)
    }
}
