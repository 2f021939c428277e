//! The Combined Log Format of Apache, nginx and Zope's `Z2.log`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use euryale::forwarded::Client;
use http::header::{HeaderName, REFERER, USER_AGENT};
use http::{HeaderValue, Method, StatusCode, Uri, Version};
use http_body::{Frame, SizeHint};

use super::target;
use crate::serve::log::Lines;
use crate::serve::request_id::RequestId;

/// A line for one request: client, time of its arrival, request line, status, bytes of the body,
/// `Referer`, `User-Agent`, and the id of the request if it has one.
///
/// ```text
/// 192.0.2.1 - - [01/Dec/2026:15:16:00 +0000] "GET /a?b HTTP/1.1" 200 7 "https://a.test/" "curl/8"
/// ```
pub(super) struct Combined {
    lines: Lines,
    client: Option<Client>,
    arrived: SystemTime,
    method: Method,
    uri: Uri,
    version: Version,
    referer: Option<HeaderValue>,
    agent: Option<HeaderValue>,
    id: Option<RequestId>,
}

impl Combined {
    pub(super) fn new(request: &Request, lines: Lines) -> Self {
        let field = |name: HeaderName| request.headers().get(name).cloned();
        Self {
            lines,
            client: Client::of(request.extensions()),
            arrived: SystemTime::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            version: request.version(),
            referer: field(REFERER),
            agent: field(USER_AGENT),
            id: RequestId::of(request.extensions()).cloned(),
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// `bytes` is the length of the body; `None` if there is no body.
    pub(super) fn write(&self, status: u16, bytes: Option<u64>) {
        let line = self.line(status, bytes);
        // Counts lines that cannot be written.
        let _ = (&self.lines).write_all(line.as_bytes());
    }

    fn line(&self, status: u16, bytes: Option<u64>) -> String {
        // Writing to a string does not fail.
        let mut line = String::with_capacity(256);
        match self.client.and_then(|client| client.ip()) {
            Some(ip) => drop(write!(line, "{ip}")),
            None => line.push('-'),
        }
        line.push_str(" - - [");
        push_time(&mut line, self.arrived);
        line.push_str("] \"");
        push_escaped(&mut line, self.method.as_str().as_bytes());
        line.push(' ');
        push_escaped(&mut line, target(&self.uri).as_bytes());
        // `Debug` of HTTP/2 is `HTTP/2.0`, which is what Apache and nginx write.
        let _ = write!(line, " {:?}\" {status} ", self.version);
        match bytes {
            Some(bytes) => drop(write!(line, "{bytes}")),
            None => line.push('-'),
        }
        for field in [&self.referer, &self.agent] {
            line.push_str(" \"");
            push_escaped(
                &mut line,
                field.as_ref().map_or(b"-", HeaderValue::as_bytes),
            );
            line.push('"');
        }
        if let Some(id) = &self.id {
            let _ = write!(line, " \"{id}\"");
        }
        line.push('\n');
        line
    }
}

/// `01/Dec/2026:15:16:00 +0000`, from the fixed form of dates in HTTP (RFC 9110 §5.6.7).
fn push_time(line: &mut String, time: SystemTime) {
    let date = httpdate::fmt_http_date(time);
    if let [_, day, month, year, clock, _] = date.split(' ').collect::<Vec<_>>()[..] {
        let _ = write!(line, "{day}/{month}/{year}:{clock} +0000");
    }
}

/// Escapes as Apache does: clients write these texts, and a quote or the end of a line in one of
/// them must not begin another field or line.
fn push_escaped(line: &mut String, text: &[u8]) {
    for byte in text {
        match byte {
            b'"' => line.push_str("\\\""),
            b'\\' => line.push_str("\\\\"),
            b'\n' => line.push_str("\\n"),
            b'\r' => line.push_str("\\r"),
            b'\t' => line.push_str("\\t"),
            b' '..=b'~' => line.push(char::from(*byte)),
            _ => drop(write!(line, "\\x{byte:02x}")),
        }
    }
}

/// A body whose size is only known at its end. Its line is written when it is dropped.
pub(super) struct Counted {
    body: Body,
    line: Combined,
    status: StatusCode,
    bytes: u64,
}

impl Counted {
    pub(super) fn new(body: Body, line: Combined, status: StatusCode) -> Self {
        Self {
            body,
            line,
            status,
            bytes: 0,
        }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            this.bytes += bytes as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.line.write(self.status.as_u16(), Some(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line_of(target: &str, agent: &[u8]) -> String {
        let combined = Combined {
            lines: Lines::default(),
            client: None,
            arrived: SystemTime::UNIX_EPOCH + Duration::from_secs(951_786_123),
            method: Method::GET,
            uri: target.parse().unwrap(),
            version: Version::HTTP_2,
            referer: None,
            agent: Some(HeaderValue::from_bytes(agent).unwrap()),
            id: None,
        };
        combined.line(200, Some(7))
    }

    #[test]
    fn line_is_that_of_apache() {
        assert_eq!(
            line_of("https://a.test/b?c=d", b"curl/8"),
            "- - - [29/Feb/2000:01:02:03 +0000] \"GET /b?c=d HTTP/2.0\" 200 7 \"-\" \"curl/8\"\n"
        );
    }

    /// The texts of clients stay within their quotes and their line.
    #[test]
    fn quotes_backslashes_and_control_bytes_are_escaped() {
        let line = line_of("/a%22\"", b"a\"b\\c\td\x80\xff");
        let request = r#""GET /a%22\" HTTP/2.0""#;
        let agent = r#""a\"b\\c\td\x80\xff""#;
        assert!(
            line.ends_with(&format!("{request} 200 7 \"-\" {agent}\n")),
            "{line}"
        );
        assert_eq!(line.lines().count(), 1);
    }
}
