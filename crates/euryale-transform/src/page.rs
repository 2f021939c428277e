//! The context of a page, for transforms.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use euryale_core::Ledger;
use euryale_core::ledger::Book;
use euryale_core::threads::BlockingLane;
use http::request;

use crate::settings::Settings;

/// The page that is being transformed: its request, and the threads for computations.
pub struct Page {
    request: request::Parts,
    settings: Arc<Settings>,
}

impl Page {
    pub(crate) fn new(request: request::Parts, settings: Arc<Settings>) -> Self {
        Self { request, settings }
    }

    /// Returns the head of the request. If a stack serves it,
    /// [`Internal::of`](euryale_core::request::Internal::of) its extensions returns the handle for
    /// sub-requests.
    pub fn request(&self) -> &request::Parts {
        &self.request
    }

    /// Returns the threads for long computations, as many as there are cores.
    pub fn cpu(&self) -> &BlockingLane {
        &self.settings.cpu
    }

    /// Returns the book that a transform of this chain [opened](crate::Transform::book) when the
    /// chain was built. A book of another type is looked up in the [ledger](Self::ledger).
    #[must_use]
    pub fn book<B: Book + Default>(&self) -> Arc<B> {
        let opened = self.settings.books.iter().find_map(|book| {
            let book: Arc<dyn Any + Send + Sync> = Arc::<dyn Book>::clone(book);
            book.downcast().ok()
        });
        opened.unwrap_or_else(|| self.ledger().of())
    }

    /// Returns the ledger in which the chain counts.
    pub fn ledger(&self) -> &Ledger {
        &self.settings.ledger
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let request::Parts { method, uri, .. } = &self.request;
        f.debug_struct("Page")
            .field("method", method)
            .field("uri", uri)
            .finish_non_exhaustive()
    }
}
