//! The input of a page besides its HTML.

use std::borrow::Cow;

use crate::xpath::Value;

/// The data of a page that depend on its request: its path, parameters for conditions, and
/// documents from which rules take content.
///
/// ```
/// use euryale_diazo::Context;
///
/// let context = Context::new("/news/today").parameter("role", "editor").parameter("mobile", true);
/// assert_eq!(context.path(), "/news/today");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    path: Cow<'a, str>,
    parameters: Vec<(Cow<'a, str>, Parameter)>,
    documents: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Context<'a> {
    /// Creates the context of a page with this path, which `if-path` and `$path` use.
    pub fn new(path: impl Into<Cow<'a, str>>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }

    /// Sets `$name` for the rules. A parameter that is not set is an empty string. If a name is set
    /// several times, the last value counts. A text for `path` is also the page's path.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Parameter>) -> Self {
        let (name, value) = (name.into(), value.into());
        if let Parameter::Text(path) = &value
            && name == "path"
        {
            self.path = Cow::Owned(path.clone());
        }
        self.parameters.push((name, value));
        self
    }

    /// Adds the HTML of a document that [`Theme::documents`](crate::Theme::documents) names. A
    /// missing document contributes nothing.
    #[must_use]
    pub fn document(
        mut self,
        href: impl Into<Cow<'a, str>>,
        html: impl Into<Cow<'a, str>>,
    ) -> Self {
        self.documents.push((href.into(), html.into()));
        self
    }

    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn html_of(&self, href: &str) -> Option<&str> {
        self.documents
            .iter()
            .rev()
            .find(|known| known.0 == href)
            .map(|known| &*known.1)
    }

    pub(crate) fn value(&self, name: &str) -> Option<Value<'_>> {
        let set = self.parameters.iter().rev().find(|known| known.0 == name);
        Some(match set {
            Some((_, parameter)) => parameter.value(),
            None if name == "path" => Value::Text(Cow::Borrowed(&self.path)),
            None => return None,
        })
    }
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Parameter {
    /// A string.
    Text(String),
    /// A boolean.
    Truth(bool),
    /// A number.
    Number(f64),
    /// No node: false, and equal to no text. Diazo passes Python's `None` in this way.
    Nothing,
}

impl Parameter {
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Truth(truth) => Value::Truth(*truth),
            Self::Number(number) => Value::Number(*number),
            Self::Nothing => Value::Nodes(Vec::new()),
        }
    }
}

impl From<&str> for Parameter {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Parameter {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Parameter {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

impl From<f64> for Parameter {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}
