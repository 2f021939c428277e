//! The form for a document, as a page.

use minijinja::{Value, context};

use super::Refused;
use crate::pages::documents;
use crate::pages::form::Draft;
use crate::pages::page::{Pages, View};
use crate::store::{Entry, Format, Portion};

/// The contents of a form: nothing, a document, or a refused submission.
pub(super) struct Shown<'a> {
    pub(super) path: &'a str,
    pub(super) form: &'a Draft,
    pub(super) format: Format,
    pub(super) refused: Option<&'a Refused>,
    pub(super) preview: Option<Preview>,
}

/// A text as its page would show it.
pub(super) struct Preview(String);

impl Preview {
    pub(super) fn new(pages: &Pages, format: Format, form: &Draft) -> Self {
        Self(documents::rendered(pages, format, &form.body).0)
    }
}

impl Shown<'_> {
    pub(super) fn page(
        self,
        pages: &Pages,
        sections: &Portion<Entry>,
    ) -> Result<String, minijinja::Error> {
        let format = match self.format {
            Format::Markdown => "Markdown",
            Format::Html => "HTML",
        };
        let stored = self.refused.and_then(|refused| refused.stored.as_ref());
        let is_new = self.form.name.is_some();
        let body = pages.fragment(
            "form",
            context! {
                action => pages.href(self.path),
                folder => pages.seen(self.path),
                name => &self.form.name,
                title => &self.form.title,
                body => &self.form.body,
                version => &self.form.version,
                format,
                refusal => self.refused.map(|refused| &refused.refusal.detail),
                stored => stored.map(|stored| context! {
                    title => &stored.title,
                    body => &stored.body,
                }),
                preview => self.preview.map(|Preview(html)| Value::from_safe_string(html)),
            },
        )?;
        let title = if is_new {
            "New page or files"
        } else {
            "Edit page"
        };
        let upload = context! { folder => pages.href(self.path), path => pages.seen(self.path) };
        let body = if is_new {
            body + &pages.fragment("upload", upload)?
        } else {
            body
        };
        pages.render(&View {
            title,
            sections: Some(sections),
            body,
            ..View::default()
        })
    }
}
