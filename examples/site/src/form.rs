//! The form that makes and changes documents, read from a request's body: no connection is needed for that.

use euryale::{Abort, Request};
use http::{StatusCode, header};

/// A form as large as this holds any document, every byte of it percent-encoded; the stack refuses what is
/// larger.
pub(crate) const LARGEST_FORM: u64 = 4 << 20;

/// The longest title, in characters, and the longest text, in bytes.
const LONGEST_TITLE: usize = 200;
const LONGEST_BODY: usize = 1 << 20;

const FORM: &str = "application/x-www-form-urlencoded";

/// What was filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// The name of a new document in the folder that the form is sent to; none: it is sent to the document.
    pub(crate) name: Option<String>,
    pub(crate) title: String,
    pub(crate) body: String,
}

/// Why a form is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A sentence that says what to do.
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }
}

/// The form that `request` brings. Each field occurs once, `name` at most once; there are no others.
pub(crate) fn read(request: &Request) -> Result<Result<Form, Refusal>, Abort> {
    if !is_form(request) {
        let detail = format!("Send a form: the content type must be {FORM}.");
        return Ok(Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)));
    }
    Ok(parse(&request.body().to_bytes()?))
}

fn is_form(request: &Request) -> bool {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or("");
    essence.trim().eq_ignore_ascii_case(FORM)
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Form, Refusal> {
    let (mut name, mut title, mut body) = (None, None, None);
    for (key, value) in form_urlencoded::parse(bytes) {
        let field = match &*key {
            "name" => &mut name,
            "title" => &mut title,
            "body" => &mut body,
            _ => return Err(Refusal::bad("The form has a field too many: it knows name, title and body.")),
        };
        if field.replace(text(&value)?).is_some() {
            return Err(Refusal::bad(format!("The field {key} was given twice; give it once.")));
        }
    }
    let missing = |field: &str| Refusal::bad(format!("The field {field} is missing."));
    let title = title.ok_or_else(|| missing("title"))?;
    Ok(Form { name, title: title.trim().to_owned(), body: body.ok_or_else(|| missing("body"))? })
}

/// With the line ends that files have: browsers send others. What is no UTF-8 was read as U+FFFD.
fn text(value: &str) -> Result<String, Refusal> {
    if value.contains(['\u{fffd}', '\0']) {
        return Err(Refusal::bad("The form is not written in UTF-8."));
    }
    Ok(value.replace("\r\n", "\n"))
}

impl Form {
    /// Is this a document?
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
            return Err(Refusal::bad(format!("A title has at most {LONGEST_TITLE} characters.")));
        }
        if self.body.len() > LONGEST_BODY {
            let detail = format!("A text has at most {} KiB.", LONGEST_BODY >> 10);
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        Ok(())
    }
}
