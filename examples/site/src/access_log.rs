//! One line for each request.

use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, Uri};

use euryale::forwarded::Client;

use crate::log::Format;
use crate::permits;

/// Logs method, address, status, the body's size if it is known, and the milliseconds until the
/// response's head was ready, and the client's address; `gone` stands for a client that went away
/// before that.
///
/// In JSON method and address are fields of their own.
pub(crate) async fn log(State(format): State<Format>, request: Request, next: Next) -> Response {
    let (method, uri) = permits::asked(&request);
    let mut line = Line {
        format,
        method: method.clone(),
        uri: uri.clone(),
        client: Client::of(request.extensions()),
        began: Instant::now(),
        is_written: false,
    };
    let response = next.run(request).await;
    line.answered(&response);
    response
}

struct Line {
    format: Format,
    method: Method,
    uri: Uri,
    client: Option<Client>,
    began: Instant,
    is_written: bool,
}

impl Line {
    fn answered(&mut self, response: &Response) {
        self.is_written = true;
        let status = response.status().as_u16();
        let bytes = response.size_hint().exact();
        let Self { method, uri, .. } = &*self;
        let client = self.client.map(tracing::field::display);
        match self.format {
            Format::Text => tracing::info!(status, bytes, ms = self.ms(), client, "{method} {uri}"),
            Format::Json => {
                tracing::info!(%method, %uri, status, bytes, ms = self.ms(), client, "answered");
            }
        }
    }

    /// Rounded to microseconds.
    fn ms(&self) -> f64 {
        (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        let Self { method, uri, .. } = &*self;
        let client = self.client.map(tracing::field::display);
        match self.format {
            Format::Text => tracing::info!(gone = true, ms = self.ms(), client, "{method} {uri}"),
            Format::Json => {
                tracing::info!(%method, %uri, gone = true, ms = self.ms(), client, "gone");
            }
        }
    }
}
