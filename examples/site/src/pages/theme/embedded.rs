//! Themes that are a part of the program.

use std::io;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use euryale_theme::{LiveTheme, Loader};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::pages::fingerprint;

/// A changed file has a different address, so browsers may keep each for a year, the usual maximum
/// (RFC 9111 §1.2.2 sets no limit), without asking again.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// A theme: its files by name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Embedded {
    pub(super) name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// The first one is the default.
pub(crate) static THEMES: [Embedded; 2] = [
    Embedded {
        name: "euryale",
        files: &[
            (
                "rules.xml",
                include_str!("../../../theme/euryale/rules.xml"),
            ),
            (
                "home.html",
                include_str!("../../../theme/euryale/home.html"),
            ),
            (
                "page.html",
                include_str!("../../../theme/euryale/page.html"),
            ),
            (
                "style.css",
                include_str!("../../../theme/euryale/style.css"),
            ),
            ("icon.svg", include_str!("../../../theme/euryale/icon.svg")),
        ],
    },
    Embedded {
        name: "gazette",
        files: &[
            (
                "rules.xml",
                include_str!("../../../theme/gazette/rules.xml"),
            ),
            (
                "front.html",
                include_str!("../../../theme/gazette/front.html"),
            ),
            (
                "page.html",
                include_str!("../../../theme/gazette/page.html"),
            ),
            (
                "style.css",
                include_str!("../../../theme/gazette/style.css"),
            ),
            ("icon.svg", include_str!("../../../theme/gazette/icon.svg")),
        ],
    },
];

/// The theme of this name.
pub(super) fn find(name: &str) -> Option<&'static Embedded> {
    THEMES.iter().find(|theme| theme.name == name)
}

/// The other choices, for people.
pub(super) fn names() -> String {
    let names: Vec<_> = THEMES
        .iter()
        .map(|theme| theme.name)
        .chain(["none"])
        .collect();
    names.join(", ")
}

impl Embedded {
    /// Themes are read from folders, so it is unpacked into one that is removed after the theme was
    /// compiled.
    pub(super) fn open(&self, path: &str) -> io::Result<LiveTheme> {
        let folder = tempfile::tempdir()?;
        for (name, text) in self.files {
            std::fs::write(folder.path().join(name), text)?;
        }
        let rules = folder.path().join("rules.xml");
        let loaded = Loader::new(rules).prefix(self.prefix(path)).load();
        let theme = loaded.map_err(io::Error::other)?;
        tracing::info!(target: "site::theme", name = self.name, "theme compiled");
        Ok(LiveTheme::fixed(theme))
    }

    /// Files of it that browsers need.
    pub(super) fn routes(&self, path: &str) -> Router {
        let prefix = self.prefix(path);
        self.files
            .iter()
            .fold(Router::new(), |router, &(name, text)| {
                let content_type = match name.rsplit_once('.') {
                    Some((_, "css")) => "text/css; charset=utf-8",
                    Some((_, "svg")) => "image/svg+xml",
                    _ => return router,
                };
                let headers = [
                    (CONTENT_TYPE, content_type),
                    (CACHE_CONTROL, FOREVER),
                    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
                ];
                let file = get(move || async move { (headers, text).into_response() });
                router.route(&format!("{prefix}/{name}"), file)
            })
    }

    /// The address of the files of exactly this version.
    pub(crate) fn prefix(&self, path: &str) -> String {
        format!(
            "{path}/{}",
            fingerprint::of(self.files.iter().map(|(_, text)| *text))
        )
    }
}
