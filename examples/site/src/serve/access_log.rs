//! One line for each request.

mod combined;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use euryale::forwarded::Client;
use euryale_server::Shutdown;
use http::uri::{Authority, PathAndQuery};
use http::{Method, StatusCode, Uri};

use self::combined::{Combined, Counted};
use crate::cli::settings::Settings;
use crate::serve::log::{Format, Lines};

/// The target of its lines in the log.
const LOG: &str = "site::access_log";

/// The status that nginx logs for a client that left before it was answered.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The status that nginx logs for a socket that the server closed without an answer.
const CLOSED_WITHOUT_RESPONSE: u16 = 444;

/// The access log of a running site. Clones are handles to it.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog(Arc<Settled>);

#[derive(Debug)]
struct Settled {
    destination: Destination,
    shutdown: Shutdown,
}

/// The destination of the lines, and their format.
#[derive(Debug)]
enum Destination {
    /// To the log.
    Log(Format),
    /// To a separate file, in the Combined Log Format.
    File(Lines),
}

impl AccessLog {
    /// `file` is the one of `--access-log`. `shutdown` ends the site.
    pub(crate) fn new(settings: &Settings, file: Option<&Lines>, shutdown: &Shutdown) -> Self {
        let destination = match file {
            Some(lines) => Destination::File(lines.clone()),
            None => Destination::Log(settings.log_format),
        };
        Self(Arc::new(Settled {
            destination,
            shutdown: shutdown.clone(),
        }))
    }
}

/// Logs each request as the client or its proxy sent it.
///
/// A line of the log has the method, the address, the status, the body's size if it is known, the
/// milliseconds until the head of the response was ready, and the client's address. `gone` means
/// that the client disconnected before that, and `cut` that the end of the drain cut the request.
/// In JSON, method and address are separate fields. The lines of the file are described at
/// [`Combined`].
pub(crate) fn log(
    log: &AccessLog,
    request: &Request,
) -> ControlFlow<Response, impl FnOnce(Response) -> Response + use<>> {
    let line = match &log.0.destination {
        Destination::Log(format) => Line::Log(LogLine {
            format: *format,
            method: request.method().clone(),
            uri: request.uri().clone(),
            client: Client::of(request.extensions()),
            began: Instant::now(),
        }),
        Destination::File(lines) => Line::File(Combined::new(request, lines.clone())),
    };
    let mut unanswered = Unanswered {
        line: Some(line),
        log: log.clone(),
    };
    ControlFlow::Continue(move |response| {
        match unanswered.line.take() {
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

/// A request that has no answer yet. If it is dropped, its client has disconnected, or the server
/// has cut it.
struct Unanswered {
    line: Option<Line>,
    log: AccessLog,
}

enum Line {
    Log(LogLine),
    File(Combined),
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        let was_cut = self.log.0.shutdown.has_cut();
        match self.line.take() {
            Some(Line::Log(line)) if was_cut => line.cut(),
            Some(Line::Log(line)) => line.gone(),
            Some(Line::File(line)) if was_cut => line.write(CLOSED_WITHOUT_RESPONSE, None),
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

    fn cut(&self) {
        let method = &self.method;
        let uri = target(&self.uri);
        let client = self.client.map(tracing::field::display);
        match self.format {
            Format::Text => {
                tracing::info!(
                    target: LOG,
                    cut = true,
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
                    cut = true,
                    ms = self.ms(),
                    client,
                    "cut"
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
