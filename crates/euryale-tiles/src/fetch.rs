//! Fetches one document of the site.

use std::sync::Arc;

use euryale_core::threads::BlockingLane;
use euryale_subrequest::{Caching, Fetch, FetchError, in_time};
use http::{Uri, request as parts};
use tokio::time::Instant;

use crate::settings::Settings;
use crate::{TileBook, TileErrorKind};

/// A requested document, parsed into a `T`.
pub(crate) struct Document<T> {
    pub(crate) content: T,
    pub(crate) caching: Caching,
}

/// Parses a document, which is CPU work.
type Make<T> = fn(String) -> Result<T, TileErrorKind>;

/// Fetches the documents of one page.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) fetch: Fetch,
    pub(crate) settings: Arc<Settings>,
    pub(crate) cpu: BlockingLane,
    pub(crate) book: Arc<TileBook>,
}

/// Larger documents, in bytes, are parsed on the threads for CPU work: handing one over and back
/// costs as much as parsing this many bytes.
const LARGE: usize = 64 << 10;

impl Asker {
    /// Returns the request for the page that the documents are for.
    pub(crate) fn page(&self) -> &parts::Parts {
        self.fetch.page()
    }

    /// Fetches an HTML document. Redirects within the site are followed; each counts as one level
    /// deeper.
    pub(crate) async fn fetch<T: Send + 'static>(
        self,
        address: Uri,
        nesting: u32,
        make: Make<T>,
    ) -> Result<Document<T>, TileErrorKind> {
        let until = Instant::now() + self.settings.deadline;
        let made = async {
            let document = self.fetch.html(address, nesting).await?;
            let content = self.compute(document.html, make).await;
            Ok(content.map(|content| Document {
                content,
                caching: document.caching,
            }))
        };
        match in_time(until, made).await {
            Ok(made) => made,
            Err(error) => Err(failed(&error)),
        }
    }

    /// Parses a text: a large one on the threads for CPU work, others here.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        text: String,
        make: impl FnOnce(String) -> Result<T, TileErrorKind> + Send + 'static,
    ) -> Result<T, TileErrorKind> {
        if text.len() < LARGE {
            return make(text);
        }
        self.cpu
            .run(move || make(text))
            .await
            .unwrap_or(Err(TileErrorKind::Failed))
    }
}

/// Logs the details that a [`TileErrorKind`] does not carry.
fn failed(error: &FetchError) -> TileErrorKind {
    match error {
        FetchError::Unanswered { address, error } => {
            let error = error as &dyn std::error::Error;
            tracing::debug!(%address, error, "a tile has no answer");
        }
        FetchError::Panicked(panic) => tracing::error!("{panic}"),
        _ => {}
    }
    error.into()
}
