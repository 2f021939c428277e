//! The rules of `start_response`.

#[cfg(test)]
mod tests;

use std::fmt;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::latin1;
use crate::sendfile::NamedFile;

/// Fields that only a server may set (PEP 3333, "Other HTTP Features"; RFC 2616 §13.5.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The arguments of `start_response`, parsed.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status, from 200 to 999.
    pub status: StatusCode,
    /// The phrase after the status, if it is not the usual one.
    pub reason: Option<ReasonPhrase>,
    /// The fields, without `Content-Length`, `X-Sendfile` and `X-Accel-Redirect`.
    pub headers: HeaderMap,
    /// The value of `Content-Length`.
    pub length: Option<u64>,
    /// The file that `X-Sendfile` or `X-Accel-Redirect` names. `headers` never has these fields.
    pub file: Option<NamedFile>,
}

/// The state of an application's head.
///
/// Fresh ⇒ Started at the first `start_response`. Started ⇒ Started at a later one with `exc_info`,
/// which replaces the head. Started ⇒ Sent at the first block that is not empty: from then on the
/// head counts as sent, although the server still keeps it.
#[derive(Debug, Default)]
pub(crate) enum Start {
    #[default]
    Fresh,
    Started(Head),
    Sent(Head),
}

impl Start {
    pub(crate) fn start<'h>(
        &mut self,
        status: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        has_exc_info: bool,
    ) -> Result<(), Refused> {
        match self {
            Self::Started(_) if !has_exc_info => return Err(Refused::Again),
            Self::Sent(_) if has_exc_info => return Err(Refused::Reraise),
            Self::Sent(_) => return Err(Refused::Again),
            Self::Fresh | Self::Started(_) => {}
        }
        *self = Self::Started(Head::parse(status, headers)?);
        Ok(())
    }

    /// Records that a block that is not empty is about to be sent. Returns the announced length.
    pub(crate) fn send(&mut self) -> Result<Option<u64>, Refused> {
        *self = match std::mem::take(self) {
            Self::Fresh => return Err(Refused::NotStarted),
            Self::Started(head) | Self::Sent(head) => Self::Sent(head),
        };
        Ok(self.head().and_then(|head| head.length))
    }

    pub(crate) fn head(&self) -> Option<&Head> {
        match self {
            Self::Fresh => None,
            Self::Started(head) | Self::Sent(head) => Some(head),
        }
    }

    pub(crate) fn into_head(self) -> Option<Head> {
        match self {
            Self::Fresh => None,
            Self::Started(head) | Self::Sent(head) => Some(head),
        }
    }
}

impl Head {
    /// The head as that of a response, without `Content-Length`.
    pub(crate) fn into_response(self) -> http::Response<()> {
        let mut response = http::Response::new(());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if let Some(reason) = self.reason {
            response.extensions_mut().insert(reason);
        }
        response
    }

    fn parse<'h>(
        status: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
    ) -> Result<Self, Refused> {
        let (status, reason) = parse_status(status)?;
        let mut head = Self {
            status,
            reason,
            headers: HeaderMap::new(),
            length: None,
            file: None,
        };
        for (name, value) in headers {
            head.add(name, value)?;
        }
        Ok(head)
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let key = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| Refused::HeaderName(name.into()))?;
        if HOP_BY_HOP.contains(&key.as_str()) {
            return Err(Refused::HopByHop(name.into()));
        }
        let bytes = latin1::encode(value).ok_or_else(|| Refused::NotLatin1(name.into()))?;
        let value =
            HeaderValue::from_bytes(&bytes).map_err(|_| Refused::HeaderValue(name.into()))?;
        if let Some(named) = NamedFile::of(key.as_str(), value.as_bytes()) {
            // An application may set both fields, for whatever server it has.
            self.file.get_or_insert(named);
            return Ok(());
        }
        if key != CONTENT_LENGTH {
            self.headers.append(key, value);
            return Ok(());
        }
        let length = value.to_str().ok().and_then(parse_length);
        match (length, self.length) {
            (Some(length), None) => self.length = Some(length),
            (Some(length), Some(known)) if length == known => {}
            _ => return Err(Refused::ContentLength),
        }
        Ok(())
    }
}

/// Parses `1*DIGIT` (RFC 9110 §8.6), without a sign or a list.
fn parse_length(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Parses a status such as `200 OK`: three digits and, after a space, an optional phrase.
fn parse_status(text: &str) -> Result<(StatusCode, Option<ReasonPhrase>), Refused> {
    let refused = || Refused::Status(text.into());
    let (code, phrase) = text.split_once(' ').unwrap_or((text, ""));
    let is_code = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let status = is_code
        .then(|| StatusCode::from_bytes(code.as_bytes()).ok())
        .flatten()
        .filter(|status| !status.is_informational())
        .ok_or_else(refused)?;
    let phrase = latin1::encode(phrase).ok_or_else(refused)?;
    if phrase.is_empty() || status.canonical_reason().map(str::as_bytes) == Some(&*phrase) {
        return Ok((status, None));
    }
    let phrase = ReasonPhrase::try_from(phrase.into_owned()).map_err(|_| refused())?;
    Ok((status, Some(phrase)))
}

/// The reason why a call by an application is refused. The message is one line, for the exception
/// that the application gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// `start_response` was called a second time without `exc_info`.
    Again,
    /// `start_response` was called with `exc_info` after the first block: its exception must be
    /// raised again.
    Reraise,
    /// A block was sent, or the iterable ended, before `start_response` was called.
    NotStarted,
    /// The status is not a number from 200 to 999, followed by a phrase.
    Status(String),
    /// The name of a header field is not a token.
    HeaderName(String),
    /// The value of this field has a character above U+00FF.
    NotLatin1(String),
    /// The value of this field has a control character.
    HeaderValue(String),
    /// This field belongs to the connection, which only the server controls.
    HopByHop(String),
    /// `Content-Length` is not a number, or there are two that differ.
    ContentLength,
}

impl Refused {
    /// Returns whether the exception is an `AssertionError`, as in wsgiref and waitress: the
    /// application called in the wrong order, or set a field that belongs to the server. All others
    /// are `ValueError`s.
    pub fn is_assertion(&self) -> bool {
        matches!(
            self,
            Self::Again | Self::Reraise | Self::NotStarted | Self::HopByHop(_)
        )
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Again => f.write_str("start_response was called a second time without exc_info"),
            Self::Reraise => f.write_str("start_response was called after the first block"),
            Self::NotStarted => f.write_str("start_response was not called before the first block"),
            Self::Status(text) => write!(
                f,
                "the status {text:?} is not three digits from 200 on and a phrase"
            ),
            Self::HeaderName(name) => write!(f, "{name:?} is not the name of a header field"),
            Self::NotLatin1(name) => write!(f, "the value of {name} is not latin-1"),
            Self::HeaderValue(name) => write!(f, "the value of {name} has a control character"),
            Self::HopByHop(name) => write!(
                f,
                "{name} is a \"hop-by-hop\" header, which only the server may set"
            ),
            Self::ContentLength => f.write_str("Content-Length is not one number"),
        }
    }
}

impl std::error::Error for Refused {}
