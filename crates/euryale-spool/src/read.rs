//! Reads a body to its end, into memory and then into a file.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use euryale_core::ledger::GaugeGuard;
use euryale_core::{BoxError, Error, ErrorKind, SpooledBody};
use http_body::{Body, Frame};
use tokio::time::Instant;

use crate::layer::Settings;
use crate::write::FileWriter;

/// The whole of `body`, counted while it is kept.
pub(crate) async fn whole<B>(body: B, limit: u64, settings: Arc<Settings>) -> Result<SpooledBody, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut kept = Kept::Memory(Bytes::new(), BytesMut::new());
    let mut counted = GaugeGuard::new(&settings.ledger, |ledger| &ledger.spool.bytes, 0);
    let mut pace = Pace::begin(&settings);
    let mut length = 0;
    loop {
        let next = poll_fn(|cx| next_part(body.as_mut().poll_frame(cx)));
        let part = tokio::time::timeout(pace.patience(), next)
            .await
            .map_err(|_| Error::new(ErrorKind::BodyStalled))?;
        let Some(data) = part.map_err(|error| Error::with_source(ErrorKind::Malformed, error))? else {
            break;
        };
        if data.is_empty() {
            // No progress, and nothing to keep.
            continue;
        }
        length += data.len() as u64;
        if length > limit {
            return Err(Error::new(ErrorKind::BodyTooLarge));
        }
        pace.came(data.len() as u64)?;
        counted.grow(i64::try_from(data.len()).unwrap_or(i64::MAX));
        let before = Instant::now();
        kept = kept.and(data, length, &settings).await.map_err(no_room)?;
        pace.paused(before.elapsed());
    }
    let body = match kept {
        Kept::Memory(first, rest) => SpooledBody::from(joined(first, &rest)),
        Kept::File(file) => SpooledBody::file(file.finish().await.map_err(no_room)?).map_err(no_room)?,
    };
    // One count ends where the other begins, so that no byte counts twice.
    drop(counted);
    Ok(body.counted(&settings.ledger))
}

/// The data of a frame, without a copy where the body's own are `Bytes`, as hyper's are. Trailers of a
/// request say nothing to a publisher.
fn next_part<T, E>(frame: Poll<Option<Result<Frame<T>, E>>>) -> Poll<Result<Option<Bytes>, BoxError>>
where
    T: Buf,
    E: Into<BoxError>,
{
    frame.map(|frame| {
        let Some(frame) = frame.transpose().map_err(Into::into)? else { return Ok(None) };
        let mut data = frame.into_data().ok();
        Ok(Some(data.as_mut().map_or_else(Bytes::new, |data| data.copy_to_bytes(data.remaining()))))
    })
}

/// Memory ⇒ File when it grows over what may be in memory.
enum Kept {
    /// The first part as it came, and the others in one piece: many small ones cost no more than their bytes.
    Memory(Bytes, BytesMut),
    File(FileWriter),
}

impl Kept {
    async fn and(self, data: Bytes, length: u64, settings: &Settings) -> io::Result<Self> {
        match self {
            Self::Memory(first, mut rest) => {
                let first = if first.is_empty() {
                    data
                } else {
                    rest.extend_from_slice(&data);
                    first
                };
                if length <= settings.memory as u64 {
                    return Ok(Self::Memory(first, rest));
                }
                let (directory, threads) = (Arc::clone(&settings.directory), Arc::clone(&settings.writers));
                FileWriter::create(directory, threads, [first, rest.freeze()]).await.map(Self::File)
            }
            Self::File(mut file) => {
                file.write(&data).await?;
                Ok(Self::File(file))
            }
        }
    }
}

/// Most bodies are one part: no copy for them.
fn joined(first: Bytes, rest: &BytesMut) -> Bytes {
    if rest.is_empty() {
        return first;
    }
    let mut all = BytesMut::with_capacity(first.len() + rest.len());
    all.extend_from_slice(&first);
    all.extend_from_slice(rest);
    all.freeze()
}

fn no_room(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::SpoolFull
        }
        _ => ErrorKind::SpoolUnavailable,
    };
    Error::with_source(kind, error)
}

/// Is a body coming fast enough?
struct Pace {
    stall: Duration,
    rate: crate::layer::Rate,
    last: Instant,
    span_began: Instant,
    in_span: u64,
}

impl Pace {
    fn begin(settings: &Settings) -> Self {
        let now = Instant::now();
        Self { stall: settings.stall, rate: settings.rate, last: now, span_began: now, in_span: 0 }
    }

    /// For how long something may still be waited for.
    fn patience(&self) -> Duration {
        self.stall.saturating_sub(self.last.elapsed())
    }

    /// So long the peer was not read: that is not its doing.
    fn paused(&mut self, time: Duration) {
        self.last += time;
        self.span_began += time;
    }

    fn came(&mut self, bytes: u64) -> Result<(), Error> {
        self.last = Instant::now();
        self.in_span += bytes;
        if self.last - self.span_began >= self.rate.span {
            if self.in_span < self.rate.bytes {
                return Err(Error::new(ErrorKind::BodyStalled));
            }
            (self.span_began, self.in_span) = (self.last, 0);
        }
        Ok(())
    }
}
