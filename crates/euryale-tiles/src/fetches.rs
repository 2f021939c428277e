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
    known: HashMap<Uri, Slot>,
    queue: VecDeque<Slot>,
    running: Vec<Running>,
    /// How much of what the page may fetch is left, in bytes.
    left: usize,
    /// What all that was fetched says of itself.
    caching: Caching,
}

/// Waiting ⇒ There | Failed.
enum Fetched {
    Waiting { address: Uri, nesting: u32 },
    There(Fragment),
    Failed(TileError),
}

struct Running {
    slot: Slot,
    future: Pin<Box<dyn Future<Output = Result<Document<Fragment>, TileErrorKind>> + Send>>,
}

impl Fetches {
    pub(crate) fn new(asker: Asker) -> Self {
        let left = asker.settings.page_limit;
        let (slots, known, queue, running) = Default::default();
        Self { asker, slots, known, queue, running, left, caching: Caching::default() }
    }

    /// What is at a reference in a document that is `nesting` below the page.
    pub(crate) fn find(&self, reference: &str, nesting: u32) -> Result<(Slot, &Fragment), TileError> {
        let error = |kind| TileError::new(reference, kind);
        let address = self.address(reference, nesting).map_err(error)?;
        let slot = *self.known.get(&address).ok_or_else(|| error(TileErrorKind::TooMany))?;
        match &self.slots[slot] {
            Fetched::There(fragment) => Ok((slot, fragment)),
            Fetched::Failed(known) => Err(known.clone()),
            Fetched::Waiting { .. } => Err(error(TileErrorKind::Elapsed)),
        }
    }

    pub(crate) fn fragment(&self, slot: Slot) -> Option<&Fragment> {
        match &self.slots[slot] {
            Fetched::There(fragment) => Some(fragment),
            Fetched::Failed(_) | Fetched::Waiting { .. } => None,
        }
    }

    pub(crate) fn into_caching(self) -> Caching {
        self.caching
    }

    /// Has all tiles of a document fetched that is `nesting` below the page, if they may be and are not yet.
    pub(crate) fn want(&mut self, document: &Fragment, nesting: u32) {
        for reference in document.references() {
            let Ok(address) = self.address(reference, nesting) else { continue };
            if self.known.contains_key(&address) || self.known.len() >= self.asker.settings.most {
                continue;
            }
            self.queue.push_back(self.slots.len());
            self.known.insert(address.clone(), self.slots.len());
            self.slots.push(Fetched::Waiting { address, nesting });
        }
    }

    fn address(&self, reference: &str, nesting: u32) -> Result<Uri, TileErrorKind> {
        let address = resolve(&self.asker.page.uri, reference)?;
        self.asker.check(&address, nesting)?;
        Ok(address)
    }

    /// Waits for all that is wanted, and for what that wants in its turn. What is not there `until` then is waited for
    /// no longer.
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
            // What was started takes its place in the queue when it is polled: then fewer connections are free.
            if !self.start() {
                break;
            }
        }
        if self.running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Starts what there is room for. One at least: it waits in the queue as any request does, and holds nothing.
    fn start(&mut self) -> bool {
        let room = self.asker.internal.room().unwrap_or(usize::MAX);
        let room = room.max(usize::from(self.running.is_empty()));
        let most = self.asker.settings.parallel.saturating_sub(self.running.len());
        let starting = room.min(most).min(self.queue.len());
        for slot in self.queue.drain(..starting) {
            let Fetched::Waiting { address, nesting } = &self.slots[slot] else { continue };
            let span = tracing::debug_span!("tile", path = address.path());
            let fetched = self.asker.clone().fetch(address.clone(), *nesting, Fragment::tile);
            self.running.push(Running { slot, future: Box::pin(fetched.instrument(span)) });
        }
        starting > 0
    }

    /// Fills a slot that waits.
    fn end(&mut self, slot: Slot, document: Result<Document<Fragment>, TileErrorKind>) {
        let Fetched::Waiting { address, nesting } = &self.slots[slot] else { return };
        let (name, nesting) = (address.path_and_query().map_or("/", |target| target.as_str()), *nesting);
        let kept = document.and_then(|document| match self.left.checked_sub(document.content.len()) {
            Some(left) => Ok((document, left)),
            None => Err(TileErrorKind::TooLarge),
        });
        match kept {
            Ok((document, left)) => {
                self.left = left;
                self.caching.and(&document.caching);
                self.want(&document.content, nesting + 1);
                self.slots[slot] = Fetched::There(document.content);
            }
            Err(kind) => self.slots[slot] = Fetched::Failed(TileError::new(name, kind)),
        }
    }
}
