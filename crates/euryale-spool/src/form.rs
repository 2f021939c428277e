//! The contents of a form.

mod fields;
mod limits;
mod multipart;
mod read;
#[cfg(test)]
mod tests;
mod urlencoded;

use std::sync::Arc;

use euryale_core::body::SpooledBody;
use http::HeaderValue;

use crate::budget::MemoryCharge;

pub use self::limits::FormLimits;
pub(crate) use self::read::{Encoding, read};

/// A complete form. It is an extension of the request whose body it was.
///
/// It is cheap to clone, and is the same in each attempt. See
/// [`SpoolLayer::forms`](crate::SpoolLayer::forms).
///
/// ```
/// use euryale_core::{Error, Request};
/// use euryale_spool::{Form, FormLimits, SpoolLayer};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let layer = SpoolLayer::new().forms(FormLimits::new());
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |request: Request| {
///     Ok::<_, Error>(Form::of(&request).and_then(|form| form.text("name")).map(str::to_owned))
/// }));
/// let request = http::Request::post("/")
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(String::from("name=Stheno+the+strong"))
///     .unwrap();
/// assert_eq!(service.oneshot(request).await.unwrap().as_deref(), Some("Stheno the strong"));
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Form {
    fields: Arc<[Field]>,
    /// `None` for an empty form.
    _charge: Option<Arc<MemoryCharge>>,
}

impl Form {
    /// Returns the form in `request`, or `None` if the body is not a form or the stack's spool does
    /// not read forms.
    pub fn of<B>(request: &http::Request<B>) -> Option<&Self> {
        request.extensions().get()
    }

    /// Returns all fields, in the order in which they were sent.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Returns all texts with this name.
    pub fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.named(name).filter_map(Field::text)
    }

    /// Returns the first text with this name.
    pub fn text<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.texts(name).next()
    }

    /// Returns all files with this name. An empty file input of a browser is left out.
    pub fn files<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Upload> {
        self.named(name).filter_map(Field::file)
    }

    /// Returns the first file with this name.
    pub fn file<'a>(&'a self, name: &'a str) -> Option<&'a Upload> {
        self.files(name).next()
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Field> {
        self.fields.iter().filter(move |field| field.name == name)
    }
}

impl FromIterator<Field> for Form {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        Self {
            fields: fields.into_iter().collect(),
            _charge: None,
        }
    }
}

/// A field of a form: a text, or a file.
#[derive(Clone, Debug)]
pub struct Field {
    name: String,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    // Boxed, because most fields are texts, which are smaller.
    File(Box<Upload>),
}

impl Field {
    /// Creates a text field.
    pub fn new_text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            value: Value::Text(text.into()),
        }
    }

    /// Creates a file field.
    pub fn new_file(name: impl Into<String>, file: Upload) -> Self {
        Self {
            name: name.into(),
            value: Value::File(Box::new(file)),
        }
    }

    /// Returns the name. Several fields may have the same name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the text, or `None` if the field is a file.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::File(_) => None,
        }
    }

    /// Returns the file, or `None` if the field is a text.
    pub fn file(&self) -> Option<&Upload> {
        match &self.value {
            Value::Text(_) => None,
            Value::File(file) => Some(file),
        }
    }
}

/// A file in a form.
#[derive(Clone, Debug)]
pub struct Upload {
    file_name: String,
    content_type: Option<HeaderValue>,
    body: SpooledBody,
}

impl Upload {
    /// Creates a file called `file_name`.
    pub fn new(
        file_name: impl Into<String>,
        content_type: Option<HeaderValue>,
        body: impl Into<SpooledBody>,
    ) -> Self {
        Self {
            file_name: file_name.into(),
            content_type,
            body: body.into(),
        }
    }

    /// Returns the name that the client sent. It may be a whole path or contain `../`, so never
    /// open a file by it.
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// Returns the `Content-Type` that the client sent.
    pub fn content_type(&self) -> Option<&HeaderValue> {
        self.content_type.as_ref()
    }

    /// Returns the content. Large content is in a separate file, which
    /// [`persist`](SpooledBody::persist) links into place.
    pub fn body(&self) -> &SpooledBody {
        &self.body
    }
}
