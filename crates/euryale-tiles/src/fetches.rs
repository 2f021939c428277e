//! Everything that one page fetches. Each address is fetched once, with as many fetches at a time
//! as there are free connections.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use euryale_subrequest::{Caching, resolve};
use http::Uri;
use tracing::Instrument;

use crate::TileErrorKind;
use crate::fetch::{Asker, Document};
use crate::fragment::Fragment;

/// An index into [`Fetches`].
type Slot = usize;

pub(crate) struct Fetches {
    asker: Asker,
    slots: Vec<Fetched>,
    known: HashMap<Uri, Slot>,
    queue: VecDeque<Slot>,
    running: Vec<Running>,
    /// The number of bytes that the page may still fetch.
    left: usize,
    /// Returns the caching rules of everything that was fetched.
    caching: Caching,
}

/// Waiting ⇒ There | Failed.
enum Fetched {
    Waiting { address: Uri, nesting: u32 },
    There(Arc<Fragment>),
    Failed(TileErrorKind),
}

/// The result of looking up a reference.
pub(crate) enum Found {
    NotYet,
    There(Arc<Fragment>),
    Failed(TileErrorKind),
}

struct Running {
    slot: Slot,
    future: Pin<Box<dyn Future<Output = Result<Document<Fragment>, TileErrorKind>> + Send>>,
}

impl Fetches {
    pub(crate) fn new(asker: Asker) -> Self {
        let left = asker.settings.page_limit;
        let (slots, known, queue, running) = Default::default();
        Self {
            asker,
            slots,
            known,
            queue,
            running,
            left,
            caching: Caching::default(),
        }
    }

    /// Looks up a reference in a document that is `nesting` levels below the page.
    pub(crate) fn find(&self, reference: &str, nesting: u32) -> Found {
        let address = match self.address(reference, nesting) {
            Ok(address) => address,
            Err(kind) => return Found::Failed(kind),
        };
        match self.known.get(&address).map(|slot| &self.slots[*slot]) {
            Some(Fetched::There(fragment)) => Found::There(Arc::clone(fragment)),
            Some(Fetched::Failed(kind)) => Found::Failed(*kind),
            Some(Fetched::Waiting { .. }) => Found::NotYet,
            None => Found::Failed(TileErrorKind::TooMany),
        }
    }

    /// Returns the caching rules of everything that was fetched.
    pub(crate) fn caching(&self) -> &Caching {
        &self.caching
    }

    /// Requests all tiles of a document that is `nesting` levels below the page, if they are
    /// allowed and not requested yet.
    pub(crate) fn want(&mut self, document: &Fragment, nesting: u32) {
        for reference in document.references() {
            let Ok(address) = self.address(reference, nesting) else {
                continue;
            };
            if self.known.contains_key(&address) || self.known.len() >= self.asker.settings.most {
                continue;
            }
            self.queue.push_back(self.slots.len());
            self.known.insert(address.clone(), self.slots.len());
            self.slots.push(Fetched::Waiting { address, nesting });
        }
    }

    fn address(&self, reference: &str, nesting: u32) -> Result<Uri, TileErrorKind> {
        let address = resolve(&self.asker.page().uri, reference)?;
        self.asker
            .fetch
            .check(&address, nesting)
            .map_err(|error| TileErrorKind::from(&error))?;
        Ok(address)
    }

    /// Stops waiting. Tiles that have not arrived count as failed.
    pub(crate) fn give_up(&mut self) {
        self.running.clear();
        self.queue.clear();
        for slot in 0..self.slots.len() {
            self.end(slot, Err(TileErrorKind::Elapsed));
        }
    }

    /// Ready when no tile is awaited.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
            // A fetch takes its place in the queue when it is first polled; then fewer connections
            // are free.
            if !self.start() {
                break;
            }
        }
        if self.running.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Starts as many fetches as there is room for, but at least one. If there is no room, that one
    /// waits in the queue like any other request, and holds nothing.
    fn start(&mut self) -> bool {
        let room = self.asker.fetch.room().unwrap_or(usize::MAX);
        let room = room.max(usize::from(self.running.is_empty()));
        let most = self
            .asker
            .settings
            .parallel
            .saturating_sub(self.running.len());
        let starting = room.min(most).min(self.queue.len());
        for slot in self.queue.drain(..starting) {
            let Fetched::Waiting { address, nesting } = &self.slots[slot] else {
                continue;
            };
            let span = tracing::debug_span!("tile", path = address.path());
            let fetched = self
                .asker
                .clone()
                .fetch(address.clone(), *nesting, Fragment::tile);
            self.running.push(Running {
                slot,
                future: Box::pin(fetched.instrument(span)),
            });
        }
        starting > 0
    }

    /// Fills a waiting slot.
    fn end(&mut self, slot: Slot, document: Result<Document<Fragment>, TileErrorKind>) {
        let Fetched::Waiting { address, nesting } = &self.slots[slot] else {
            return;
        };
        let below = nesting + 1;
        let kept =
            document.and_then(
                |document| match self.left.checked_sub(document.content.len()) {
                    Some(left) => Ok((document, left)),
                    None => Err(TileErrorKind::TooLarge),
                },
            );
        match kept {
            Ok((document, left)) => {
                self.left = left;
                self.caching.and(&document.caching);
                self.want(&document.content, below);
                self.slots[slot] = Fetched::There(Arc::new(document.content));
            }
            Err(kind) => {
                tracing::debug!(%address, "{kind}");
                self.slots[slot] = Fetched::Failed(kind);
            }
        }
    }
}
