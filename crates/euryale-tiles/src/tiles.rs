//! The transform.

use std::future::poll_fn;
use std::sync::Arc;

use euryale_core::ledger::Book;
use euryale_core::{Body, BoxError, Ledger};
use euryale_subrequest::{Caching, Fetch, resolve};
use euryale_transform::{ComposePage, Page, Transform, order};
use http::{Response, response};
use tokio::time::{Instant, timeout_at};

use crate::fetch::{Asker, Document};
use crate::fragment::Fragment;
use crate::late::Late;
use crate::outline::Outline;
use crate::place::Placing;
use crate::settings::Settings;
use crate::{TileBook, TileError, TileErrorKind, panels};

/// Composes pages. See the [crate's documentation](crate).
#[derive(Debug)]
#[must_use]
pub struct Tiles {
    pub(crate) settings: Arc<Settings>,
}

/// Marks a page that has tiles or a layout. A publisher sets it in the extensions of its response.
///
/// Without this mark a placeholder is an ordinary element, so that authors of untrusted content
/// cannot request tiles.
#[doc(alias = "IBlocksTransformEnabled")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HasTiles;

impl Default for Tiles {
    fn default() -> Self {
        Self::new()
    }
}

impl Transform for Tiles {
    fn name(&self) -> &'static str {
        "tiles"
    }

    fn order(&self) -> i32 {
        order::TILES
    }

    fn applies(&self, page: &Page, response: &response::Parts) -> bool {
        (self.settings.pages)(page, response)
    }

    fn book(&self, ledger: &Ledger) -> Option<Arc<dyn Book>> {
        Some(ledger.of::<TileBook>())
    }
}

impl Tiles {
    fn fetch(&self, page: &Page) -> Result<Fetch, TileErrorKind> {
        let settings = &*self.settings;
        let head = Arc::new(page.request().clone());
        let fetch =
            Fetch::of(head, settings.route.clone()).map_err(|error| TileErrorKind::from(&error));
        let fetch = fetch?
            .max_depth(settings.depth)
            .limit(settings.tile_limit)
            .follow_redirects()
            .no_content();
        Ok(match &settings.allow {
            Some(allow) => fetch.allow(Arc::clone(allow)),
            None => fetch,
        })
    }
}

impl ComposePage for Tiles {
    async fn compose(
        &self,
        page: &Page,
        response: Response<String>,
    ) -> Result<Response<Body>, BoxError> {
        let (mut head, text) = response.into_parts();
        if !text.contains("data-tile") && !text.contains("data-layout") {
            return Ok(Response::from_parts(head, text.into()));
        }
        let asker = Asker {
            fetch: self.fetch(page)?,
            settings: Arc::clone(&self.settings),
            cpu: page.cpu().clone(),
            book: page.book(),
        };
        let until = Instant::now() + self.settings.page_deadline;
        let late = self
            .settings
            .late_after
            .map_or(until, |time| until.min(Instant::now() + time));
        let (placing, mut caching, is_late) = begin(asker, text, until, late).await?;
        let body = if is_late {
            caching.and(&Caching::never());
            Body::new(Late::new(placing, until))
        } else {
            let (all, of_tiles) = whole(placing);
            caching.and(&of_tiles);
            all.into()
        };
        caching.apply(&mut head.headers);
        Ok(Response::from_parts(head, body))
    }
}

/// Fetches the layout, then the tiles of the result and the tiles inside them. Returns the state of
/// the page, with `true` if some tiles are late and the page is to be sent before they arrive.
async fn begin(
    asker: Asker,
    text: String,
    until: Instant,
    late: Instant,
) -> Result<(Placing, Caching, bool), TileErrorKind> {
    let (text, outline) = asker.compute(text, outlined).await?;
    let (text, outline, caching) = laid_out(&asker, text, outline, until).await?;
    let mut placing = Placing::new(asker, Fragment::page(text, &outline));
    let in_time = timeout_at(late, poll_fn(|cx| placing.poll(cx)))
        .await
        .is_ok();
    if !in_time && late == until {
        placing.give_up();
    }
    placing.place();
    Ok((placing, caching, !in_time && late < until))
}

fn whole(mut placing: Placing) -> (String, Caching) {
    (placing.take(usize::MAX), placing.caching())
}

fn outlined(text: String) -> Result<(String, Outline), TileErrorKind> {
    let outline = Outline::of(&text)?;
    Ok((text, outline))
}

/// Returns the page in its layout, if it names one. If the layout is missing, the page is returned
/// unchanged.
async fn laid_out(
    asker: &Asker,
    text: String,
    outline: Outline,
    until: Instant,
) -> Result<(String, Outline, Caching), TileErrorKind> {
    let Some(reference) = &outline.layout else {
        return Ok((text, outline, Caching::default()));
    };
    match fetched_layout(asker, reference, until).await {
        Ok(Document {
            content: (layout, layout_outline),
            caching,
        }) => {
            asker.book.parts.ok.add(1);
            let merged = panels::merge((&text, &outline), (&layout, &layout_outline));
            let (text, outline) = asker.compute(merged, outlined).await?;
            Ok((text, outline, caching))
        }
        Err(kind) => {
            kind.counter(&asker.book.parts).add(1);
            tracing::warn!(
                page = asker.page().uri.path(),
                "layout: {}",
                TileError::new(reference, kind)
            );
            Ok((text, outline, Caching::never()))
        }
    }
}

async fn fetched_layout(
    asker: &Asker,
    reference: &str,
    until: Instant,
) -> Result<Document<(String, Outline)>, TileErrorKind> {
    let address = resolve(&asker.page().uri, reference)?;
    asker
        .fetch
        .check(&address, 0)
        .map_err(|error| TileErrorKind::from(&error))?;
    let fetched = asker.clone().fetch(address, 0, outlined);
    timeout_at(until, fetched)
        .await
        .unwrap_or(Err(TileErrorKind::Elapsed))
}
