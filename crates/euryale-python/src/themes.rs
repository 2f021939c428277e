//! The transforms of the stack.

use std::time::Duration;

use euryale::Ledger;
use euryale::transform::TransformChainLayer;
use euryale_theme::{ThemeSet, ThemeTransform};
use euryale_wsgi::Settings;

/// The interval in which the files of themes are checked.
const LOOK: Duration = Duration::from_secs(1);

/// The maximum number of themes: one for each site, and for each address under which it is found.
const MOST: usize = 64;

/// The themes that applications choose, and the chain that applies them.
pub(crate) struct Themes {
    pub(crate) set: ThemeSet,
    pub(crate) chain: TransformChainLayer,
}

impl Themes {
    /// Returns the themes if the setting `themes` is on. The chain counts in `ledger`.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub(crate) fn new(settings: &Settings, ledger: &Ledger) -> std::io::Result<Option<Self>> {
        if !settings.themes {
            return Ok(None);
        }
        let set = ThemeSet::new(MOST).watch(LOOK)?;
        let theme = ThemeTransform::of_pages(set.clone());
        let chain = TransformChainLayer::new().ledger(ledger.clone());
        Ok(Some(Self {
            set,
            chain: chain.transform_page(theme),
        }))
    }
}
