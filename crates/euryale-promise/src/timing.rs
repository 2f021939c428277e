//! Reports to the client how long each promise took.

use std::fmt::Write;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::PromiseError;
use crate::asks::Value;
use crate::key::KeyId;

/// The value of `Server-Timing` (<https://www.w3.org/TR/server-timing/>): a metric for each
/// promise.
#[derive(Default)]
pub(crate) struct Timings(String);

impl Timings {
    pub(crate) fn kept(&mut self, key: &KeyId, value: &Value, took: Duration) {
        let outcome = match value {
            Ok(_) => None,
            Err(PromiseError::Elapsed) => Some("elapsed"),
            Err(_) => Some("failed"),
        };
        self.add(key, took, outcome);
    }

    /// Adds a metric for a shared value that already existed.
    pub(crate) fn found(&mut self, key: &KeyId) {
        self.add(key, Duration::ZERO, Some("shared"));
    }

    fn add(&mut self, key: &KeyId, took: Duration, outcome: Option<&str>) {
        let separator = if self.0.is_empty() { "" } else { ", " };
        self.0.push_str(separator);
        // A metric's name is a token (RFC 9110 §5.6.2).
        self.0.extend(
            key.name
                .chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }),
        );
        // Writing to a string cannot fail.
        let _ = write!(self.0, ";dur={:.1}", took.as_secs_f64() * 1000.0);
        if let Some(outcome) = outcome {
            let _ = write!(self.0, ";desc=\"{outcome}\"");
        }
    }

    /// Adds the header to the application's own metrics.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        if let Ok(value) = HeaderValue::try_from(self.0)
            && !value.is_empty()
        {
            headers.append(HeaderName::from_static("server-timing"), value);
        }
    }
}
