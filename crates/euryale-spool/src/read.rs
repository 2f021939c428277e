//! Reads a body to its end.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use euryale_core::body::SpooledBody;
use euryale_core::error::BODY_STALLED;
use euryale_core::{BoxError, Error};
use http_body::{Body, Frame};
use tokio::time::Instant;

use crate::keep::Keeper;
use crate::pace::Pace;
use crate::settings::Settings;
use crate::{BODY_TOO_LARGE, MALFORMED};

/// Reads a whole body.
pub(crate) async fn whole<B>(
    mut source: Source<B>,
    settings: Arc<Settings>,
) -> Result<SpooledBody, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let memory = settings.memory;
    let mut keeper = Keeper::new(settings, memory, source.announced());
    while let Some(data) = source.next().await? {
        keeper.take(data).await?;
    }
    keeper.finish().await
}

/// A body with a minimum rate and a maximum length.
pub(crate) struct Source<B> {
    body: Pin<Box<B>>,
    limit: u64,
    left: u64,
    pace: Pace,
}

impl<B> Source<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(body: B, limit: u64, settings: &Settings) -> Self {
        Self {
            body: Box::pin(body),
            limit,
            left: limit,
            pace: Pace::begin(settings),
        }
    }

    /// Returns the maximum length of the rest.
    fn announced(&self) -> usize {
        let announced = self.body.size_hint().upper().unwrap_or(u64::MAX);
        usize::try_from(announced.min(self.left)).unwrap_or(usize::MAX)
    }

    /// Limits the rest of the body to this length.
    #[cfg(feature = "forms")]
    pub(crate) fn shorten(&mut self, limit: u64) {
        self.limit = self.limit.min(limit);
        self.left = self.left.min(limit);
    }

    /// Returns the next bytes, which are never empty, or `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            let (part, waited) = self.part().await?;
            // The server may have its own reason for giving up the body.
            let part = part.map_err(|error| Error::of_body(error, MALFORMED));
            let Some(data) = part? else {
                return Ok(None);
            };
            let len = data.len() as u64;
            self.left = self
                .left
                .checked_sub(len)
                .ok_or_else(|| longer_than(self.limit))?;
            self.pace.came(len, waited)?;
            if len > 0 {
                return Ok(Some(data));
            }
        }
    }

    /// Returns the next part of the body, and the time spent waiting for it.
    async fn part(&mut self) -> Result<(Part, Duration), Error> {
        // A part that has already arrived needs neither a timer nor the clock.
        let arrived = poll_fn(|cx| Poll::Ready(self.poll_part(cx))).await;
        if let Poll::Ready(part) = arrived {
            return Ok((part, Duration::ZERO));
        }
        let asked = Instant::now();
        let patience = self.pace.patience();
        let part = tokio::time::timeout(patience, poll_fn(|cx| self.poll_part(cx)))
            .await
            .map_err(|_| Error::new(BODY_STALLED))?;
        Ok((part, asked.elapsed()))
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        next_part(self.body.as_mut().poll_frame(cx))
    }
}

/// Bytes, the end, or the error of the body.
type Part = Result<Option<Bytes>, BoxError>;

/// Returns the error with the message that tells the client which limit it exceeded.
pub(crate) fn longer_than(limit: u64) -> Error {
    Error::new(BODY_TOO_LARGE).telling(format!(
        "What is sent to this address may have at most {limit} bytes."
    ))
}

/// Returns the data of a frame, without a copy if the body yields `Bytes`, like hyper's. Trailers
/// are dropped, because a publisher has no use for them.
fn next_part<T, E>(frame: Poll<Option<Result<Frame<T>, E>>>) -> Poll<Part>
where
    T: Buf,
    E: Into<BoxError>,
{
    frame.map(|frame| {
        let Some(frame) = frame.transpose().map_err(Into::into)? else {
            return Ok(None);
        };
        let mut data = frame.into_data().ok();
        Ok(Some(data.as_mut().map_or_else(Bytes::new, |data| {
            data.copy_to_bytes(data.remaining())
        })))
    })
}
