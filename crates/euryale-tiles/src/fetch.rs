//! Fetches one document of the site.

use std::sync::Arc;

use euryale_core::threads::BlockingLane;
use euryale_subrequest::{Caching, Fetch, FetchError, in_time};
use http::{Uri, request as parts};
use tokio::time::Instant;

use crate::settings::Settings;
use crate::{TileBook, TileErrorKind};

/// A requested document, and what `T` makes of it.
pub(crate) struct Document<T> {
    pub(crate) content: T,
    pub(crate) caching: Caching,
}

/// Parses a document, which is CPU work.
type Make<T> = fn(String) -> Result<T, TileErrorKind>;

/// The origin of the request.
#[derive(Clone)]
pub(crate) struct Asker {
    pub(crate) fetch: Fetch,
    pub(crate) settings: Arc<Settings>,
    pub(crate) cpu: BlockingLane,
    pub(crate) book: Arc<TileBook>,
}

/// Larger documents are parsed on the threads for the CPU: a hop there and back costs as much as
/// parsing this many bytes.
const LARGE: usize = 64 << 10;

impl Asker {
    /// The page that the documents are for.
    pub(crate) fn page(&self) -> &parts::Parts {
        self.fetch.page()
    }

    /// Fetches a document, which is HTML; follows redirects within the site, each of them one
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

    /// Makes something of a text, where it belongs.
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

/// Logs what a [`TileErrorKind`] does not say.
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
