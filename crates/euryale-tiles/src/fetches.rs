//! All that one page fetches: each address once, so many at a time as there are free connections.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::address::resolve;
use crate::caching::Caching;
use crate::fetch::{Asker, Document};
use crate::fragment::Fragment;
use crate::{TileError, TileErrorKind};

/// A place in [`Fetches`].
pub(crate) type Slot = usize;

pub(crate) struct Fetches {
    asker: Asker,
    slots: Vec<Fetched>,
    /// By what the page says; several references may name one address.
    known: HashMap<Uri, Slot>,
    queue: VecDeque<Slot>,
    running: Vec<Running>,
    /// How much of what the page may fetch is left, in bytes.
    left: usize,
    pub(crate) caching: Caching,
}

/// Waiting ⇒ There | Failed.
pub(crate) enum Fetched {
    Waiting { address: Uri, nesting: u32 },
    There { fragment: Fragment, nesting: u32 },
    Failed(TileError),
}

struct Running {
    slot: Slot,
    future: Pin<Box<dyn Future<Output = Result<Document, TileErrorKind>> + Send>>,
}

impl Fetches {
    pub(crate) fn new(asker: Asker) -> Self {
        let left = asker.settings.page_limit;
        let (slots, known, queue, running) = Default::default();
        Self { asker, slots, known, queue, running, left, caching: Caching::default() }
    }

    pub(crate) fn slot(&self, slot: Slot) -> &Fetched {
        &self.slots[slot]
    }

    /// The slot of a reference in a document that is `nesting` below the page; asked for the first time, it is fetched.
    pub(crate) fn ask(&mut self, reference: &str, nesting: u32) -> Slot {
        let checked = resolve(&self.asker.page.uri, reference)
            .and_then(|address| self.asker.check(&address, nesting).map(|()| address));
        let address = match checked {
            Ok(address) => address,
            Err(kind) => return self.fail_new(TileError::new(reference, kind)),
        };
        if let Some(slot) = self.known.get(&address) {
            return *slot;
        }
        if self.known.len() >= self.asker.settings.most {
            return self.fail_new(TileError::new(reference, TileErrorKind::TooMany));
        }
        let slot = self.slots.len();
        self.known.insert(address.clone(), slot);
        self.slots.push(Fetched::Waiting { address, nesting });
        self.queue.push_back(slot);
        slot
    }

    fn fail_new(&mut self, error: TileError) -> Slot {
        self.slots.push(self.failed(error));
        self.caching.and(&Caching::of_failure());
        self.slots.len() - 1
    }

    fn failed(&self, error: TileError) -> Fetched {
        tracing::warn!(page = self.asker.page.uri.path(), "{error}");
        Fetched::Failed(error)
    }

    /// Waits for all that was asked for, and for what that asks for in its turn. What is not there `until` then fails,
    /// and is waited for no longer.
    pub(crate) async fn all(&mut self, until: Instant) {
        if timeout_at(until, poll_fn(|cx| self.poll(cx))).await.is_err() {
            self.running.clear();
            self.queue.clear();
            for slot in 0..self.slots.len() {
                self.end(slot, Err(TileErrorKind::Elapsed));
            }
        }
    }

    /// Ready when nothing is waited for.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut at = 0;
            while let Some(running) = self.running.get_mut(at) {
                match running.future.as_mut().poll(cx) {
                    Poll::Ready(document) => {
                        let slot = self.running.swap_remove(at).slot;
                        self.end(slot, document);
                    }
                    Poll::Pending => at += 1,
                }
            }
            // What was started takes its place in the queue when it is polled, and then the free connections are fewer.
            if !self.start() {
                break;
            }
        }
        if self.running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// One at least: who has none under way waits in the queue as any request does, and holds nothing meanwhile.
    fn start(&mut self) -> bool {
        let room = self.asker.internal.room().unwrap_or(usize::MAX);
        let room = room.max(usize::from(self.running.is_empty()));
        let most = self.asker.settings.parallel.saturating_sub(self.running.len());
        let starting = room.min(most).min(self.queue.len());
        for slot in self.queue.drain(..starting) {
            let Fetched::Waiting { address, nesting } = &self.slots[slot] else { continue };
            let span = tracing::debug_span!("tile", %address);
            let future = self.asker.clone().fetch(address.clone(), *nesting).instrument(span);
            self.running.push(Running { slot, future: Box::pin(future) });
        }
        starting > 0
    }

    /// Fills a slot that waits.
    fn end(&mut self, slot: Slot, document: Result<Document, TileErrorKind>) {
        let Fetched::Waiting { address, nesting } = &self.slots[slot] else { return };
        let (name, nesting) = (address.path_and_query().map_or("/", |target| target.as_str()), *nesting);
        match document.and_then(|document| self.keep(document)) {
            Ok((fragment, caching)) => {
                self.caching.and(&caching);
                let inner: Vec<String> = fragment.references().map(str::to_owned).collect();
                self.slots[slot] = Fetched::There { fragment, nesting };
                for reference in inner {
                    self.ask_within(&reference, nesting + 1);
                }
            }
            Err(kind) => {
                self.slots[slot] = self.failed(TileError::new(name, kind));
                self.caching.and(&Caching::of_failure());
            }
        }
    }
}
