//! Responses, as a client reads them.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::raw::RawClient;

/// The head of a response.
#[derive(Clone, Debug)]
pub struct Head {
    /// The head's original bytes, with the empty line at its end.
    pub text: String,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
}

/// How the body after a head ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    Closed,
}

impl Head {
    /// Reads a whole head.
    pub(super) fn parse(bytes: Vec<u8>) -> io::Result<Self> {
        let malformed = || invalid("a malformed response head");
        let text = String::from_utf8(bytes).map_err(|_| malformed())?;
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|status| status.parse().ok());
        let mut headers = HeaderMap::new();
        for line in lines.take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').ok_or_else(malformed)?;
            let name: HeaderName = name.parse().map_err(|_| malformed())?;
            let value = HeaderValue::from_str(value.trim()).map_err(|_| malformed())?;
            headers.append(name, value);
        }
        Ok(Self {
            status: status.ok_or_else(malformed)?,
            headers,
            text,
        })
    }

    /// The value of a header, if it is text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The length of the body that the head declares.
    pub fn content_length(&self) -> Option<usize> {
        self.headers
            .get(CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    }

    pub(super) fn framing(&self) -> io::Result<Framing> {
        if self.status == StatusCode::NO_CONTENT || self.status == StatusCode::NOT_MODIFIED {
            return Ok(Framing::Length(0));
        }
        let coding = self.headers.get(TRANSFER_ENCODING);
        if coding.is_some_and(|coding| coding == "chunked") {
            return Ok(Framing::Chunked);
        }
        if self.headers.contains_key(CONTENT_LENGTH) {
            let length = self.content_length();
            let length = length.ok_or_else(|| invalid("a malformed content-length"))?;
            return Ok(Framing::Length(length));
        }
        Ok(Framing::Closed)
    }
}

/// A complete response.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its original head.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(head: Head, body: Vec<u8>) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            head: head.text,
            body,
        }
    }

    /// Reads a response from bytes that have arrived; `head_only` for the answer to a HEAD request.
    ///
    /// # Errors
    /// The response is not complete, or its head cannot be read.
    pub fn parse(bytes: &[u8], head_only: bool) -> io::Result<Self> {
        let mut client = RawClient::over(bytes);
        let reading = pin!(client.read_answer(head_only));
        match reading.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => answer,
            Poll::Pending => Err(invalid("bytes never wait")),
        }
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

pub(super) fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
