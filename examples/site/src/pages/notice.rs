//! A notice about what a form has done, shown once on the page to which the browser is sent
//! afterwards.
//!
//! A cookie carries the notice, so neither a bookmark nor a link can repeat it. Its value is a word
//! and a fingerprint of the page as the form left it. The page only shows known words, and only if
//! its fingerprint still matches. The answer with a notice removes the cookie, has no tag, and must
//! not be cached.

use euryale::forwarded::PublicUrl;
use euryale::{Request, Response};
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use http::{Extensions, HeaderMap, HeaderValue};

use crate::pages::fingerprint;
use crate::store::Document;

const NAME: &str = "site-notice";

/// The seconds until a browser drops a cookie whose page it has not requested.
const LIFE: u32 = 60;

/// What a form has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Saved,
    Uploaded,
    Deleted,
}

impl Notice {
    const ALL: [Self; 3] = [Self::Saved, Self::Uploaded, Self::Deleted];

    /// The sentence for the reader.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Saved => "Saved.",
            Self::Uploaded => "Uploaded.",
            Self::Deleted => "Deleted.",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Uploaded => "uploaded",
            Self::Deleted => "deleted",
        }
    }

    /// The notice that `request` brings for `document`, if it has one.
    pub(crate) fn of(request: &Request, document: &Document) -> Option<Self> {
        let value = cookie(request.headers())?;
        let is_this = |notice: &Self| {
            let page = Page {
                path: &document.path,
                title: &document.title,
                body: &document.body,
            };
            value == notice.value(&page).as_bytes()
        };
        Self::ALL.into_iter().find(is_this)
    }

    /// Adds the notice to the answer that sends a browser to `page`.
    pub(crate) fn send(self, page: &Page<'_>, request: &Request, response: &mut Response) {
        let value = self.value(page);
        set(response, request.extensions(), &value, LIFE);
    }

    /// Makes sure that the answer with a notice is not shown again.
    pub(crate) fn forget(request: &Request, response: &mut Response) {
        set(response, request.extensions(), "", 0);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }

    fn value(self, page: &Page<'_>) -> String {
        let word = self.word();
        let page = match self {
            Self::Saved => fingerprint::of([page.path, "\0", page.title, "\0", page.body]),
            // The folder itself is as before.
            Self::Uploaded | Self::Deleted => fingerprint::of([page.path]),
        };
        format!("{word}-{page}")
    }
}

/// The page to which the browser is sent. For a folder whose contents have changed, no text is
/// needed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Page<'a> {
    pub(crate) path: &'a str,
    pub(crate) title: &'a str,
    pub(crate) body: &'a str,
}

fn set(response: &mut Response, extensions: &Extensions, value: &str, seconds: u32) {
    let attributes =
        PublicUrl::of(extensions).map_or_else(|| "Path=/".to_owned(), PublicUrl::cookie_attributes);
    let cookie =
        format!("{NAME}={value}; {attributes}; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    // A browser cannot have sent a prefix that is not a valid header value.
    if let Ok(cookie) = HeaderValue::try_from(cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// The value of the cookie. Other cookies may hold any bytes.
fn cookie(headers: &HeaderMap) -> Option<&[u8]> {
    let lines = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    lines
        .flat_map(|line| line.split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .find_map(|pair| pair.strip_prefix(NAME.as_bytes())?.strip_prefix(b"="))
}
