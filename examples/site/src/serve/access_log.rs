//! One line for each request.

mod combined;

use std::ops::ControlFlow;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use euryale::forwarded::Client;
use http::uri::{Authority, PathAndQuery};
use http::{Method, StatusCode, Uri};

use self::combined::{Combined, Counted};
use crate::cli::settings::Settings;
use crate::serve::log::{Format, Lines};

/// The target of its lines in the log.
const LOG: &str = "site::access_log";

/// The status that nginx logs for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The destination of the lines, and their format.
#[derive(Clone, Debug)]
pub(crate) enum AccessLog {
    /// To the log.
    Log(Format),
    /// To a separate file, in the Combined Log Format.
    File(Lines),
}

impl AccessLog {
    /// `file` is the one of `--access-log`.
    pub(crate) fn new(settings: &Settings, file: Option<&Lines>) -> Self {
        match file {
            Some(lines) => Self::File(lines.clone()),
            None => Self::Log(settings.log_format),
        }
    }
}

/// Logs each request as the client or its proxy sent it.
///
/// A line of the log has the method, the address, the status, the body's size if it is known, the
/// milliseconds until the head of the response was ready, and the client's address; `gone` means
/// that the client disconnected before that. In JSON, method and address are separate fields. The
/// lines of the file are described at [`Combined`].
pub(crate) fn log(
    log: &AccessLog,
    request: &Request,
) -> ControlFlow<Response, impl FnOnce(Response) -> Response + use<>> {
    let line = match log {
        AccessLog::Log(format) => Line::Log(LogLine {
            format: *format,
            method: request.method().clone(),
            uri: request.uri().clone(),
            client: Client::of(request.extensions()),
            began: Instant::now(),
        }),
        AccessLog::File(lines) => Line::File(Combined::new(request, lines.clone())),
    };
    let mut line = Unanswered(Some(line));
    ControlFlow::Continue(move |response| {
        match line.0.take() {
            Some(Line::Log(line)) => line.answered(&response),
            Some(Line::File(line)) => return in_file(line, response),
            None => {}
        }
        response
    })
}

/// If the size is not known, the bytes are counted, because programs that read the file add up the
/// sizes, and compressed pages have none. Bodies of files have a known size and are not wrapped:
/// the server sends them by `sendfile(2)`.
fn in_file(line: Combined, response: Response) -> Response {
    let status = response.status();
    if let Some(bytes) = response.size_hint().exact() {
        line.write(status.as_u16(), Some(bytes));
        return response;
    }
    let has_body = *line.method() != Method::HEAD
        && !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if !has_body {
        line.write(status.as_u16(), None);
        return response;
    }
    response.map(|body| Body::new(Counted::new(body, line, status)))
}

/// A request that has no answer yet. If it is dropped, its client has disconnected.
struct Unanswered(Option<Line>);

enum Line {
    Log(LogLine),
    File(Combined),
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        match self.0.take() {
            Some(Line::Log(line)) => line.gone(),
            Some(Line::File(line)) => line.write(CLIENT_CLOSED_REQUEST, None),
            None => {}
        }
    }
}

struct LogLine {
    format: Format,
    method: Method,
    uri: Uri,
    client: Option<Client>,
    began: Instant,
}

impl LogLine {
    fn answered(&self, response: &Response) {
        let status = response.status().as_u16();
        let bytes = response.size_hint().exact();
        let method = &self.method;
        let uri = target(&self.uri);
        let client = self.client.map(tracing::field::display);
        match self.format {
            Format::Text => {
                tracing::info!(
                    target: LOG,
                    status,
                    bytes,
                    ms = self.ms(),
                    client,
                    "{method} {uri}"
                );
            }
            Format::Json => {
                tracing::info!(
                    target: LOG,
                    %method,
                    uri,
                    status,
                    bytes,
                    ms = self.ms(),
                    client,
                    "answered"
                );
            }
        }
    }

    fn gone(&self) {
        let method = &self.method;
        let uri = target(&self.uri);
        let client = self.client.map(tracing::field::display);
        match self.format {
            Format::Text => {
                tracing::info!(
                    target: LOG,
                    gone = true,
                    ms = self.ms(),
                    client,
                    "{method} {uri}"
                );
            }
            Format::Json => {
                tracing::info!(
                    target: LOG,
                    %method,
                    uri,
                    gone = true,
                    ms = self.ms(),
                    client,
                    "gone"
                );
            }
        }
    }

    /// Rounded to microseconds.
    fn ms(&self) -> f64 {
        (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }
}

/// Path and query. Requests of HTTP/2 also have scheme and host, those of HTTP/1 do not: this gives
/// each page one name in the log.
fn target(uri: &Uri) -> &str {
    match uri.path_and_query() {
        Some(target) => PathAndQuery::as_str(target),
        None => uri.authority().map_or("-", Authority::as_str),
    }
}
