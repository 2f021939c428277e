//! The look of the site: a theme around its pages, applied after their transaction.
//!
//! The site's own themes are part of the program, so a copied binary has its look, and no file can
//! be missing. Any other theme is a folder, and is read again when its files change.

mod address;
pub(crate) mod author;
pub(crate) mod choice;
mod embedded;
pub(crate) mod settings;

use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use axum::Router;
use euryale::blob::{ServeBlobLayer, ServeFolder};
use euryale::transform::TransformChainLayer;
use euryale_admin::StatusDetails;
use euryale_theme::{LiveTheme, ThemeTransform};

use self::address::BelowPrefix;
pub(crate) use self::author::run;
use self::choice::Choice;
use self::settings::{PATH, ThemeSettings};
use crate::cli::error::StartError;
use crate::pages::tiles;

/// The interval in which the files of a theme are checked.
const LOOK: Duration = Duration::from_secs(1);

/// The number of warnings about a theme that are shown.
const SHOWN: usize = 10;

/// The number of threads that read files of a theme that are not in memory.
pub(crate) const READERS: usize = 2;

/// The number of threads that theme pages: one for each core, because they only compute.
pub(crate) fn threads() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The theme that was chosen, read.
#[derive(Clone, Debug)]
pub(crate) struct Theme {
    choice: Choice,
    /// Names and folders of other themes that this one is made of.
    mounts: Vec<(String, PathBuf)>,
    live: Option<LiveTheme>,
}

impl Theme {
    /// Reads it. A theme with errors does not keep the site from starting: pages are served
    /// unthemed, and the log says why, until its files are corrected.
    pub(crate) fn open(settings: &ThemeSettings) -> Result<Self, StartError> {
        settings.check()?;
        let live = match &settings.theme {
            Choice::None => None,
            Choice::Embedded(theme) => Some(theme.open(PATH).map_err(|error| {
                let what = format!("cannot unpack the theme: {error}");
                StartError::new(
                    what,
                    std::env::temp_dir().display(),
                    "make room there, or set TMPDIR",
                )
            })?),
            Choice::Folder(folder) => {
                let live = LiveTheme::new(settings.loader(folder)).watch(LOOK);
                Some(live.map_err(|error| StartError::of_system("start threads", &error))?)
            }
        };
        Ok(Self {
            choice: settings.theme.clone(),
            mounts: settings.mounts(),
            live,
        })
    }

    /// Transforms of pages: first the tiles of those that have some, then the theme.
    pub(crate) fn chain(&self, chain: &TransformChainLayer) -> TransformChainLayer {
        let chain = chain.clone().compose_page(tiles::composer());
        match &self.live {
            Some(live) => chain
                .transform_page(self.transform(live))
                .rewrite(BelowPrefix::new(PATH)),
            None => chain,
        }
    }

    /// Rules of the program's own themes use only the page, so a page with a tag keeps one. Rules
    /// in a folder may take content from other documents, which a tag does not cover.
    fn transform(&self, live: &LiveTheme) -> ThemeTransform {
        let transform = ThemeTransform::new(live.clone()).parameters(settings::of_request);
        match self.choice {
            Choice::Embedded(_) => transform.keep_tags(),
            Choice::None | Choice::Folder(_) => transform,
        }
    }

    /// Its state for operators: its name, and its error.
    pub(crate) fn tell(&self, details: StatusDetails) -> StatusDetails {
        let details = details.fact("Theme", "Name", self.choice.to_string());
        let Some(state) = self.live.as_ref().map(LiveTheme::state) else {
            return details;
        };
        if let Some(error) = state.error() {
            return details.alarm(
                "Theme",
                "Error: pages are served without it",
                error.to_string(),
            );
        }
        let warnings = state.theme().map_or(&[][..], |theme| theme.warnings());
        warnings
            .iter()
            .take(SHOWN)
            .fold(details, |details, warning| {
                details.fact("Theme", "Most likely a mistake", warning.to_string())
            })
    }

    /// Its files, beside the stack: no worker is needed for them.
    pub(crate) fn routes(&self, blobs: &ServeBlobLayer) -> Router {
        match &self.choice {
            Choice::None => Router::new(),
            Choice::Embedded(theme) => theme.routes(PATH),
            Choice::Folder(folder) => {
                let files = |folder: &PathBuf| ServeFolder::new(folder).blobs(blobs);
                let own = Router::new().nest_service(PATH, files(folder));
                self.mounts.iter().fold(own, |router, (name, folder)| {
                    let address = format!("/++theme++{name}");
                    router
                        .nest_service(&format!("{PATH}{address}"), files(folder))
                        .nest_service(&address, files(folder))
                })
            }
        }
    }
}
