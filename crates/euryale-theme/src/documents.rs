//! Documents that rules take content from.

use std::sync::Arc;
use std::time::Duration;

use euryale_core::request::Route;
use euryale_subrequest::{Caching, Document, Fetch, FetchError, in_time, resolve};
use euryale_transform::Page;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use crate::DocumentBook;

/// The maximum number of documents that are fetched for one page at a time.
const AT_A_TIME: usize = 8;

/// Documents fetched for a page.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// The HTML of the documents that were fetched, by their `href`.
    pub(crate) html: Vec<(String, String)>,
    /// The documents' caching rules, for the page that contains them.
    pub(crate) caching: Caching,
}

impl Documents {
    /// Fetches documents on behalf of the client of a page, a few at a time and in order. All of
    /// them together may take this long (`within`). A missing document is logged and counted, and
    /// keeps the page out of caches.
    pub(crate) async fn fetch(page: &Page, hrefs: Vec<String>, within: Duration) -> Self {
        let until = Instant::now() + within;
        let book = page.book::<DocumentBook>();
        let head = Arc::new(page.request().clone());
        let fetch = Fetch::of(head, Route::new("theme")).ok();
        let mut documents = Self::default();
        let mut fetches = JoinSet::new();
        let mut hrefs = hrefs.into_iter();
        loop {
            for href in hrefs.by_ref().take(AT_A_TIME - fetches.len()) {
                let fetch = fetch.clone();
                let fetched = async move {
                    let document = in_time(until, document(fetch, &href)).await;
                    (href, document)
                };
                fetches.spawn(fetched.in_current_span());
            }
            let Some(joined) = fetches.join_next().await else {
                return documents;
            };
            // A panic of the inner service becomes a failed answer.
            let Ok((href, answer)) = joined else { continue };
            match answer {
                Ok(document) => {
                    book.parts.ok.add(1);
                    documents.caching.and(&document.caching);
                    documents.html.push((href, document.html));
                }
                Err(missing) => {
                    missing.counter(&book.parts).add(1);
                    documents.caching.and(&Caching::never());
                    let error = &missing as &dyn std::error::Error;
                    tracing::warn!(href, error, "nothing is used from this document");
                }
            }
        }
    }
}

async fn document(fetch: Option<Fetch>, href: &str) -> Result<Document, FetchError> {
    let fetch = fetch.ok_or(FetchError::NoStack)?;
    let address = resolve(&fetch.page().uri, href)?;
    fetch.html(address, 0).await
}
