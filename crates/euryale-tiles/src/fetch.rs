//! Fetches one document of the site.

use std::sync::Arc;

use euryale_core::{BlockingLane, CatchPanic, Internal, InternalRequest, Response};
use euryale_subrequest::{Caching, read_html, resolve, sub_request};
use http::header::LOCATION;
use http::{Extensions, StatusCode, Uri, request as parts};

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
    pub(crate) page: Arc<parts::Parts>,
    pub(crate) internal: Internal,
    pub(crate) settings: Arc<Settings>,
    pub(crate) cpu: BlockingLane,
    pub(crate) book: Arc<TileBook>,
}

/// Larger documents are parsed on the threads for the CPU: a hop there and back costs as much as
/// parsing this many bytes.
const LARGE: usize = 64 << 10;

impl Asker {
    /// The mark of a sub-request that is `nesting` documents below the page.
    pub(crate) fn mark(&self, nesting: u32) -> InternalRequest {
        let mut above = Extensions::new();
        InternalRequest::of(&self.page.extensions).map(|mark| above.insert(mark));
        for _ in 0..nesting {
            let mark = InternalRequest::below(&above);
            above.insert(mark);
        }
        InternalRequest::below(&above)
    }

    /// Returns whether the page may have this tile at this depth.
    pub(crate) fn check(&self, address: &Uri, nesting: u32) -> Result<(), TileErrorKind> {
        if self.mark(nesting).depth() > self.settings.depth {
            return Err(TileErrorKind::TooDeep);
        }
        if self
            .settings
            .allow
            .as_ref()
            .is_some_and(|allow| !allow(address))
        {
            return Err(TileErrorKind::NotAllowed);
        }
        Ok(())
    }

    /// Fetches a document, which is HTML; follows redirects within the site, each of them one
    /// deeper.
    ///
    /// A panic in the inner service, outside workers, is a failure of the tile.
    pub(crate) async fn fetch<T: Send + 'static>(
        self,
        address: Uri,
        nesting: u32,
        make: Make<T>,
    ) -> Result<Document<T>, TileErrorKind> {
        let deadline = self.settings.deadline;
        let fetched = tokio::time::timeout(deadline, self.follow(address, nesting, make));
        match CatchPanic::new(fetched).await {
            Ok(in_time) => in_time.unwrap_or(Err(TileErrorKind::Elapsed)),
            Err(panic) => {
                tracing::error!("{panic}");
                Err(TileErrorKind::Failed)
            }
        }
    }

    async fn follow<T: Send + 'static>(
        &self,
        mut address: Uri,
        mut nesting: u32,
        make: Make<T>,
    ) -> Result<Document<T>, TileErrorKind> {
        let mut caching = Caching::default();
        loop {
            self.check(&address, nesting)?;
            let response = self.ask(&address, nesting).await?;
            // A redirect may depend on the client, as a document may.
            caching.and(&Caching::of(response.headers()));
            if !response.status().is_redirection() {
                let text = self.read(response).await?;
                return Ok(Document {
                    content: self.compute(text, make).await?,
                    caching,
                });
            }
            let status = TileErrorKind::Status(response.status());
            let to = response
                .headers()
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .ok_or(status)?;
            (address, nesting) = (resolve(&address, to)?, nesting + 1);
        }
    }

    async fn ask(&self, address: &Uri, nesting: u32) -> Result<Response, TileErrorKind> {
        let mut above = Extensions::new();
        if let Some(outer) = nesting.checked_sub(1) {
            above.insert(self.mark(outer));
        } else if let Some(mark) = InternalRequest::of(&self.page.extensions) {
            above.insert(mark);
        }
        let mut request = sub_request(&self.page, address.clone());
        request.extensions_mut().insert(self.settings.route.clone());
        self.internal
            .request(request, &above)
            .await
            .map_err(|error| {
                tracing::debug!(%address, error = &error as &dyn std::error::Error, "a tile has no \
                answer");
                TileErrorKind::Status(error.class().status())
            })
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

    async fn read(&self, response: Response) -> Result<String, TileErrorKind> {
        if response.status() == StatusCode::NO_CONTENT {
            return Ok(String::new());
        }
        Ok(read_html(response, self.settings.tile_limit).await?)
    }
}
