//! The addresses of a theme's files, if a proxy shows the site below a prefix.

use std::borrow::Cow;

use euryale::BoxError;
use euryale::forwarded::PublicUrl;
use euryale::transform::{Handlers, Page, Rewrite, Selector, Transform, order};
use http::response;

/// A theme is compiled once, but the browser's prefix may differ in each request.
pub(super) struct BelowPrefix {
    /// Elements that refer to files of the theme, and their attributes.
    references: Vec<(Selector, &'static str)>,
}

impl BelowPrefix {
    /// For files at and below `path`.
    pub(super) fn new(path: &str) -> Self {
        let selector = |name: &str| format!("[{name}^='{path}/']").parse::<Selector>().ok();
        let references = ["href", "src"]
            .into_iter()
            .filter_map(|name| Some((selector(name)?, name)));
        Self {
            references: references.collect(),
        }
    }
}

fn prefix(page: &Page) -> Option<&str> {
    let url = PublicUrl::of(&page.request().extensions)?;
    Some(url.prefix()).filter(|prefix| !prefix.is_empty())
}

impl Transform for BelowPrefix {
    fn name(&self) -> &'static str {
        "theme-addresses"
    }

    /// Right behind the theme.
    fn order(&self) -> i32 {
        order::THEME + 10
    }

    fn applies(&self, page: &Page, _: &response::Parts) -> bool {
        prefix(page).is_some()
    }

    /// A different prefix makes a different page already, because all of its links contain it.
    fn version(&self) -> Option<Cow<'_, str>> {
        Some("1".into())
    }
}

impl Rewrite for BelowPrefix {
    fn rewrite(&self, page: &Page, handlers: &mut Handlers) -> Result<(), BoxError> {
        let prefix = prefix(page).unwrap_or_default().to_owned();
        for &(ref selector, name) in &self.references {
            let prefix = prefix.clone();
            handlers.element(selector, move |element| {
                let address = element.get_attribute(name).unwrap_or_default();
                Ok(element.set_attribute(name, &format!("{prefix}{address}"))?)
            });
        }
        Ok(())
    }
}
