//! Checks that a body arrives fast enough.

use std::time::Duration;

use euryale_core::Error;
use euryale_core::error::BODY_STALLED;

use crate::settings::{Rate, Settings};

/// Measures the rate of a body. Only the time spent waiting for the peer counts.
pub(crate) struct Pace {
    stall: Duration,
    rate: Rate,
    without_progress: Duration,
    span: Duration,
    in_span: u64,
}

impl Pace {
    pub(crate) fn begin(settings: &Settings) -> Self {
        let stall = settings.stall;
        let rate = settings.rate;
        Self {
            stall,
            rate,
            without_progress: Duration::ZERO,
            span: Duration::ZERO,
            in_span: 0,
        }
    }

    /// Returns how long the next bytes may take.
    pub(crate) fn patience(&self) -> Duration {
        self.stall.saturating_sub(self.without_progress)
    }

    /// Records bytes that have arrived, and how long they were awaited.
    pub(crate) fn came(&mut self, bytes: u64, waited: Duration) -> Result<(), Error> {
        self.without_progress = if bytes == 0 {
            self.without_progress + waited
        } else {
            Duration::ZERO
        };
        self.span += waited;
        self.in_span += bytes;
        if bytes > 0 && self.span >= self.rate.span {
            if self.in_span < self.rate.bytes {
                return Err(Error::new(BODY_STALLED));
            }
            (self.span, self.in_span) = (Duration::ZERO, 0);
        }
        Ok(())
    }
}
