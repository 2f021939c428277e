//! The body of an early answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::record::EarlyRecord;
use super::window::{EarlyWindow, Found};
use crate::body::announced::{Announced, Measured};
use crate::error::{APPLICATION, BoxError, Error};
use crate::ledger::{GaugeGuard, Ledger};
use crate::threads::BlockingLane;

/// The size of a read from the file, in bytes.
const READ: u64 = 64 << 10;

/// Sends what the publisher writes. It ends after the job has succeeded, and breaks off if the job
/// fails.
pub(crate) struct EarlyBody {
    window: Arc<EarlyWindow>,
    job: Option<JobEnd>,
    reading: Option<Reading>,
    announced: Option<Announced>,
    lane: Option<BlockingLane>,
    ledger: Ledger,
    record: EarlyRecord,
    /// Why the job failed, until everything before that was sent.
    failure: Option<Error>,
    end: End,
    _sending: GaugeGuard,
}

/// Whether the job that writes the body has succeeded.
pub(crate) type JobEnd = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

type Reading = Pin<Box<dyn Future<Output = Result<std::io::Result<Bytes>, Error>> + Send>>;

/// Open ⇒ Complete; Open ⇒ Broken ⇒ Complete, when the error has been returned.
enum End {
    Open,
    /// The error follows one poll later: a server sends its buffered bytes before it waits, but
    /// drops them after an error.
    Broken(BoxError),
    Complete,
}

impl EarlyBody {
    pub(super) fn new(
        window: Arc<EarlyWindow>,
        length: Option<u64>,
        lane: Option<BlockingLane>,
        ledger: Ledger,
        record: EarlyRecord,
    ) -> Self {
        ledger.early_answers.begun.add(1);
        Self {
            window,
            job: None,
            reading: None,
            announced: length.map(Announced::new),
            lane,
            record,
            failure: None,
            end: End::Open,
            _sending: GaugeGuard::new(&ledger.early_answers.sending, 1),
            ledger,
        }
    }

    /// The body ends when this job does.
    pub(crate) fn continue_with(&mut self, job: JobEnd) {
        self.job = Some(job);
    }

    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.end, End::Complete)
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        let left = self.announced.as_ref().map(Announced::left);
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match std::mem::replace(&mut self.end, End::Complete) {
            End::Open => self.end = End::Open,
            End::Broken(error) => {
                self.announced = None;
                return Poll::Ready(Some(Err(error)));
            }
            End::Complete => return Poll::Ready(None),
        }
        loop {
            let piece = match ready!(self.poll_piece(cx)) {
                Ok(piece) => piece,
                Err(error) => return self.break_off(error, cx),
            };
            match Announced::measure(&mut self.announced, piece) {
                Ok(Measured::Wait) => {}
                Ok(Measured::Send(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(Measured::End(last)) => {
                    self.end = End::Complete;
                    return Poll::Ready(last.map(|last| Ok(Frame::data(last))));
                }
                Err(wrong) => {
                    let error = Error::with_source(APPLICATION, wrong);
                    return self.break_off(error, cx);
                }
            }
        }
    }

    fn break_off<T>(&mut self, error: Error, cx: &mut Context<'_>) -> Poll<T> {
        self.record.failed(&error, &self.ledger);
        self.end = End::Broken(error.into());
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next bytes; `None` when the job has succeeded and everything was sent.
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        loop {
            // First, because a client that reads would keep a stopped job writing forever.
            if let Some(job) = &mut self.job
                && let Poll::Ready(done) = job.as_mut().poll(cx)
            {
                self.job = None;
                if let Err(error) = done {
                    self.window.stop();
                    self.failure = Some(error);
                }
            }
            if let Some(reading) = &mut self.reading {
                let read = ready!(reading.as_mut().poll(cx));
                self.reading = None;
                let read = read
                    .and_then(|read| read.map_err(|error| Error::with_source(APPLICATION, error)));
                return Poll::Ready(read.map(|bytes| {
                    self.window.was_read(&bytes);
                    Some(bytes)
                }));
            }
            match self.window.poll_next(cx, READ) {
                Poll::Ready(Ok(Found::Bytes(bytes))) => return Poll::Ready(Ok(Some(bytes))),
                Poll::Ready(Ok(Found::InFile(unread))) => {
                    let lane = self.lane.clone();
                    self.reading = Some(Box::pin(async move {
                        let lane = lane.unwrap_or_else(BlockingLane::without_layer);
                        lane.run(move || unread.read()).await
                    }));
                    continue;
                }
                Poll::Ready(Err(stalled)) => {
                    let stalled = || Error::with_source(APPLICATION, stalled);
                    return Poll::Ready(Err(self.failure.take().unwrap_or_else(stalled)));
                }
                Poll::Pending => {}
            }
            if self.job.is_some() {
                return Poll::Pending;
            }
            // The job had ended before the window was found empty, so nothing follows.
            return Poll::Ready(self.failure.take().map_or(Ok(None), Err));
        }
    }
}

impl Drop for EarlyBody {
    fn drop(&mut self) {
        self.window.close();
    }
}
