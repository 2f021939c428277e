//! The transform.

use std::sync::Arc;

use euryale_core::{BoxError, Internal};
use euryale_transform::{Page, Transform, TransformPage};
use http::{Response, response};
use tokio::time::{Instant, timeout_at};

use crate::address::resolve;
use crate::caching::Caching;
use crate::fetch::{Asker, Document};
use crate::fetches::Fetches;
use crate::fragment::Fragment;
use crate::outline::Outline;
use crate::panels;
use crate::place::Placing;
use crate::settings::Settings;
use crate::{TileError, TileErrorKind};

/// Composes pages. See the [crate's documentation](crate).
#[derive(Debug)]
#[must_use]
pub struct Tiles {
    pub(crate) settings: Arc<Settings>,
}

/// Stands in the extensions of a response whose page has tiles or a layout: put there by a publisher that wants it to be
/// composed.
///
/// Without it a placeholder is an element as any other: what somebody wrote into a page of his own asks for nothing.
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
        8500
    }

    fn applies(&self, page: &Page, response: &response::Parts) -> bool {
        (self.settings.pages)(page, response)
    }
}

impl TransformPage for Tiles {
    async fn transform(&self, page: &Page, response: Response<String>) -> Result<Response<String>, BoxError> {
        let (mut head, text) = response.into_parts();
        if !text.contains("data-tile") && !text.contains("data-layout") {
            return Ok(Response::from_parts(head, text));
        }
        let internal = page.request().extensions.get::<Internal>();
        let asker = Asker {
            internal: internal.ok_or(TileError::new("", TileErrorKind::NoStack))?.clone(),
            page: Arc::new(page.request().clone()),
            settings: Arc::clone(&self.settings),
            cpu: page.cpu().clone(),
        };
        let until = Instant::now() + self.settings.page_deadline;
        let (text, caching) = compose(asker, text, until).await?;
        caching.apply(&mut head.headers);
        Ok(Response::from_parts(head, text))
    }
}

/// First the layout, then the tiles of what comes out of it, then those in them.
async fn compose(asker: Asker, text: String, until: Instant) -> Result<(String, Caching), BoxError> {
    let (text, outline) = asker.compute(text, outlined).await?;
    let (text, outline, mut caching) = laid_out(&asker, text, outline, until).await?;
    let page = Fragment::page(text, &outline);
    let mut fetches = Fetches::new(asker.clone());
    fetches.want(&page, 0);
    fetches.all(until).await;
    let mut placing = Placing::new(&fetches, &asker.settings, &asker.page);
    let composed = placing.page(&page);
    for error in &placing.errors {
        tracing::warn!(page = asker.page.uri.path(), "{error}");
        caching.and(&Caching::of_failure());
    }
    caching.and(&fetches.into_caching());
    Ok((composed, caching))
}

fn outlined(text: String) -> Result<(String, Outline), TileErrorKind> {
    let outline = Outline::of(&text)?;
    Ok((text, outline))
}

/// The page in its layout, if it names one. Without the layout it is sent as it is.
async fn laid_out(
    asker: &Asker,
    text: String,
    outline: Outline,
    until: Instant,
) -> Result<(String, Outline, Caching), BoxError> {
    let Some(reference) = &outline.layout else { return Ok((text, outline, Caching::default())) };
    match fetched_layout(asker, reference, until).await {
        Ok(Document { content: (layout, layout_outline), caching }) => {
            let merged = panels::merge((&text, &outline), (&layout, &layout_outline));
            let (text, outline) = asker.compute(merged, outlined).await?;
            Ok((text, outline, caching))
        }
        Err(kind) => {
            tracing::warn!(page = asker.page.uri.path(), "layout: {}", TileError::new(reference, kind));
            Ok((text, outline, Caching::of_failure()))
        }
    }
}

async fn fetched_layout(
    asker: &Asker,
    reference: &str,
    until: Instant,
) -> Result<Document<(String, Outline)>, TileErrorKind> {
    let address = resolve(&asker.page.uri, reference)?;
    asker.check(&address, 0)?;
    let fetched = asker.clone().fetch(address, 0, outlined);
    timeout_at(until, fetched).await.unwrap_or(Err(TileErrorKind::Elapsed))
}
