//! One line for each request.

use std::time::Instant;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, Uri};

/// Logs method, path, status, the body's size if it is known, and the milliseconds until the response's head
/// was ready; `gone` stands for a client that went away before that.
pub(crate) async fn log(request: Request, next: Next) -> Response {
    let mut line = Line {
        method: request.method().clone(),
        uri: request.uri().clone(),
        began: Instant::now(),
        is_written: false,
    };
    let response = next.run(request).await;
    line.answered(&response);
    response
}

struct Line {
    method: Method,
    uri: Uri,
    began: Instant,
    is_written: bool,
}

impl Line {
    fn answered(&mut self, response: &Response) {
        self.is_written = true;
        let (status, bytes) = (response.status().as_u16(), response.size_hint().exact());
        tracing::info!(status, bytes, ms = self.ms(), "{} {}", self.method, self.uri);
    }

    /// Rounded to microseconds.
    fn ms(&self) -> f64 {
        (self.began.elapsed().as_secs_f64() * 1e6).round() / 1e3
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.is_written {
            tracing::info!(gone = true, ms = self.ms(), "{} {}", self.method, self.uri);
        }
    }
}
