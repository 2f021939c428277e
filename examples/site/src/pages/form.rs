//! The forms that create and change documents, and upload files. The stack has read them before a
//! connection is requested.

use euryale::Request;
use euryale::spool::{Field, Form, FormLimits, Upload};
use http::{HeaderMap, Method, StatusCode, header};

use crate::pages::refusal::Refusal;

/// The longest title, in characters, and the longest text, in bytes.
const LONGEST_TITLE: usize = 200;
pub(crate) const LONGEST_BODY: usize = 1 << 20;

/// The maximum size of a form's texts after decoding, in bytes. Browsers send each line break, one
/// byte of a text, as two (HTML §4.10.21.4); the rest is for the other fields.
const LARGEST_TEXT: usize = 2 * LONGEST_BODY + (64 << 10);

/// A form of this size can hold any document, with every byte percent-encoded as three. The stack
/// refuses larger forms without files.
pub(crate) const LARGEST_FORM: u64 = 3 * LARGEST_TEXT as u64;

/// Room for any document. The files of a form may be as large as an upload.
pub(crate) fn limits() -> FormLimits {
    FormLimits::new().text(LARGEST_TEXT)
}

const FORMS: [&str; 2] = ["application/x-www-form-urlencoded", "multipart/form-data"];

/// The purpose of a form.
#[derive(Debug)]
pub(crate) enum Posted {
    Page(Draft),
    Files(Vec<Upload>),
}

/// The submitted fields of a document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The name of a new document in the folder to which the form is sent. `None` if it is sent to
    /// the document itself.
    pub(crate) name: Option<String>,
    pub(crate) title: String,
    pub(crate) body: String,
    /// The version of the document that was edited. `None` means any stored version.
    pub(crate) version: Option<String>,
}

/// Returns whether a request with this head has a form that may have files. Only a `POST` is a
/// form, whatever the `Content-Type` says.
pub(crate) fn is_upload(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::POST && is(headers, FORMS[1])
}

fn is(headers: &HeaderMap, form: &str) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .and_then(|value| value.split(';').next())
        .unwrap_or("");
    essence.trim().eq_ignore_ascii_case(form)
}

/// The form in `request`.
///
/// # Errors
/// What to send instead.
pub(crate) fn read(request: &Request) -> Result<Posted, Refusal> {
    if !FORMS.iter().any(|form| is(request.headers(), form)) {
        let detail = format!(
            "Send a form: the content type must be {} or {}.",
            FORMS[0], FORMS[1]
        );
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    // An empty multipart form is not a form.
    let fields = Form::of(request).map(Form::fields).unwrap_or_default();
    // A file input without a file sends `filename=""`.
    let is_nameless = |field: &Field| field.file().is_some_and(|file| file.file_name().is_empty());
    if is(request.headers(), FORMS[1]) && (fields.is_empty() || fields.iter().any(is_nameless)) {
        return Err(Refusal::bad(
            "No file was sent: choose one, in a field named file.",
        ));
    }
    if fields.iter().all(|field| field.file().is_none()) {
        return page(
            fields
                .iter()
                .filter_map(|field| Some((field.name(), field.text()?))),
        )
        .map(Posted::Page);
    }
    let files = fields
        .iter()
        .map(|field| field.file().filter(|_| field.name() == "file").cloned());
    let files = files.collect::<Option<Vec<_>>>();
    files
        .map(Posted::Files)
        .ok_or_else(|| Refusal::bad("Send files in fields named file, and nothing beside them."))
}

/// A document. Each field occurs once, `name` and `version` at most once; there are no others.
pub(crate) fn page<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Draft, Refusal> {
    let mut name = None;
    let mut title = None;
    let mut body = None;
    let mut version = None;
    for (key, value) in fields {
        let field = match key {
            "name" => &mut name,
            "title" => &mut title,
            "body" => &mut body,
            "version" => &mut version,
            _ => {
                return Err(Refusal::bad(
                    "The form has an unknown field: its fields are name, title, body and version.",
                ));
            }
        };
        if field.replace(text(value)?).is_some() {
            return Err(Refusal::bad(format!(
                "The field {key} was given twice; give it once."
            )));
        }
    }
    let missing = |field: &str| Refusal::bad(format!("The field {field} is missing."));
    let title = title.ok_or_else(|| missing("title"))?;
    Ok(Draft {
        name,
        title: title.trim().to_owned(),
        body: body.ok_or_else(|| missing("body"))?,
        version,
    })
}

/// With the line ends of files, because browsers send others.
pub(crate) fn text(value: &str) -> Result<String, Refusal> {
    if value.contains('\0') {
        return Err(Refusal::bad("A text must not contain the character 0."));
    }
    Ok(value.replace("\r\n", "\n"))
}

impl Draft {
    /// Checks that this is a valid document.
    ///
    /// # Errors
    /// What to change.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        if self.title.is_empty() {
            return Err(Refusal::bad("A page needs a title."));
        }
        if self.title.contains(char::is_control) {
            return Err(Refusal::bad("A title is one line."));
        }
        if self.title.chars().count() > LONGEST_TITLE {
            return Err(Refusal::bad(format!(
                "A title has at most {LONGEST_TITLE} characters."
            )));
        }
        check_length(&self.body)
    }
}

/// Checks that `text` is short enough to be stored.
///
/// # Errors
/// What the limit is.
pub(crate) fn check_length(text: &str) -> Result<(), Refusal> {
    if text.len() <= LONGEST_BODY {
        return Ok(());
    }
    let detail = format!("A text has at most {} KiB.", LONGEST_BODY >> 10);
    Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
}
