//! The transforms of the stack.

use std::path::Path;
use std::time::Duration;

use euryale::Ledger;
use euryale::forwarded::PublicUrl;
use euryale::tiles::Tiles;
use euryale::transform::TransformChainLayer;
use euryale_theme::{LiveTheme, Loader, ThemeParameters, ThemeSet, ThemeTransform};
use euryale_wsgi::{Mount, Settings};
use http::{Uri, request};
use percent_encoding::percent_decode_str;

use crate::statics::existing;

/// The interval in which the files of themes are checked.
const LOOK: Duration = Duration::from_secs(1);

/// The maximum number of themes: one for each site, and for each address under which it is found.
const MOST: usize = 64;

/// The file of a theme's folder that has its rules.
const RULES: &str = "rules.xml";

/// The chain of transforms, and what an application may choose for its pages.
pub(crate) struct Transforms {
    /// `None` if no setting asks for a transform.
    pub(crate) chain: Option<TransformChainLayer>,
    pub(crate) choices: Choices,
}

/// What an application may choose for its pages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choices {
    /// The themes that were added, with the setting `themes`.
    pub(crate) themes: Option<ThemeSet>,
    /// Whether pages may have tiles, by the setting `tiles`.
    pub(crate) tiles: bool,
}

impl Choices {
    /// Returns whether there is something to choose.
    pub(crate) fn is_some(&self) -> bool {
        self.themes.is_some() || self.tiles
    }
}

impl Transforms {
    /// Returns the transforms that the settings ask for. The chain counts in `ledger`.
    ///
    /// # Errors
    /// A message of one line that names the setting.
    pub(crate) fn new(settings: &Settings, ledger: &Ledger) -> Result<Self, String> {
        if settings.themes && settings.theme.is_some() {
            return Err("theme and themes exclude each other: leave one of them out".to_owned());
        }
        let mut chain = TransformChainLayer::new().ledger(ledger.clone());
        let tiles = !settings.tiles.is_empty();
        let is_any = tiles || settings.theme.is_some() || settings.themes;
        if tiles {
            let paths = settings.tiles.clone();
            chain =
                chain.compose_page(Tiles::new().allow(move |address| is_below(&paths, address)));
        }
        if let Some(Mount { url, folder }) = &settings.theme {
            chain = chain.transform_page(theme(url, folder)?);
        }
        let mut themes = None;
        if settings.themes {
            let set = ThemeSet::new(MOST).watch(LOOK).map_err(no_thread)?;
            chain = chain.transform_page(ThemeTransform::of_pages(set.clone()));
            themes = Some(set);
        }
        Ok(Self {
            chain: is_any.then_some(chain),
            choices: Choices { themes, tiles },
        })
    }
}

/// Returns the theme of all pages, whose other files have addresses below `url`.
fn theme(url: &str, folder: &Path) -> Result<ThemeTransform, String> {
    let named = |what: String| format!("theme: {what}");
    let rules = existing(folder).map_err(named)?.join(RULES);
    if !rules.is_file() {
        return Err(named(format!("{} does not exist", rules.display())));
    }
    let theme = LiveTheme::new(Loader::new(rules).prefix(url));
    let theme = theme.watch(LOOK).map_err(no_thread)?;
    Ok(ThemeTransform::new(theme).parameters(public))
}

#[expect(clippy::needless_pass_by_value, reason = "map_err has it")]
fn no_thread(error: std::io::Error) -> String {
    format!("no thread can be started for the files of themes: {error}")
}

/// Returns the parameters that have the address, as a trusted proxy has reported it.
fn public(head: &request::Parts) -> ThemeParameters {
    let parameters = ThemeParameters::new();
    let Some((url, origin)) =
        PublicUrl::of(&head.extensions).and_then(|url| Some((url, url.origin()?)))
    else {
        return parameters;
    };
    let base = format!("{origin}{}", url.prefix());
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    parameters
        .set("scheme", url.scheme().to_owned())
        .set("host", host.to_owned())
        .set("url", format!("{base}{}", head.uri.path()))
        .set("portal_url", base.clone())
        .set("base", base)
}

/// Returns whether one of the paths leads to this address. Applications decode paths, so names that
/// lead upwards are refused in each form.
fn is_below(paths: &[String], address: &Uri) -> bool {
    let path = address.path();
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    let is_upwards = decoded.split('/').any(|name| matches!(name, "." | ".."));
    let leads = |prefix: &String| {
        let below = path.strip_prefix(prefix.as_str());
        below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    !is_upwards && paths.iter().any(leads)
}
