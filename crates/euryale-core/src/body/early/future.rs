//! The asynchronous side of a publication that may answer early.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::record::EarlyRecord;
use crate::error::Error;
use crate::request::Response;

/// A job's end: whether it ran, and the result of its publication.
pub type JobDone = Pin<Box<dyn Future<Output = Result<Result<Response, Error>, Error>> + Send>>;

/// Delivers an early answer from a worker to its [`EarlyFuture`].
#[must_use]
pub struct HandOver {
    sender: oneshot::Sender<Response>,
    record: EarlyRecord,
}

impl HandOver {
    /// The record that the body and the job share.
    pub fn record(&self) -> &EarlyRecord {
        &self.record
    }

    /// Delivers it. If nobody waits for it any more, its body is dropped here.
    pub(super) fn send(self, response: Response) {
        self.record.leaves();
        drop(self.sender.send(response));
    }
}

impl fmt::Debug for HandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HandOver")
    }
}

/// Resolves to the early answer of a job, whose body then holds the job's future, or else to the
/// job's own answer.
///
/// Dropping this future, or later the body, is the same as dropping the job's future: the job
/// learns that its client has disconnected.
#[must_use]
pub struct EarlyFuture {
    handed: Option<oneshot::Receiver<Response>>,
    job: Option<JobDone>,
}

impl EarlyFuture {
    /// The means to hand over an early answer, for the job, and where it arrives.
    pub fn channel() -> (HandOver, Self) {
        let (sender, receiver) = oneshot::channel();
        let hand_over = HandOver {
            sender,
            record: EarlyRecord::default(),
        };
        let future = Self {
            handed: Some(receiver),
            job: None,
        };
        (hand_over, future)
    }

    /// Waits for this job. Without one, the future is never ready.
    pub fn of(mut self, job: JobDone) -> Self {
        self.job = Some(job);
        self
    }
}

impl Future for EarlyFuture {
    type Output = Result<Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut handed = None;
        if let Some(receiver) = &mut this.handed
            && let Poll::Ready(received) = Pin::new(receiver).poll(cx)
        {
            handed = received.ok();
            this.handed = None;
        }
        if handed.is_none() {
            let Some(job) = &mut this.job else {
                return Poll::Pending;
            };
            let Poll::Ready(done) = job.as_mut().poll(cx) else {
                return Poll::Pending;
            };
            this.job = None;
            // The answer may have left after the look above.
            let late = this.handed.take();
            let Some(response) = late.and_then(|mut receiver| receiver.try_recv().ok()) else {
                return Poll::Ready(done.flatten());
            };
            this.job = Some(Box::pin(std::future::ready(done)));
            handed = Some(response);
        }
        match handed {
            Some(mut response) => {
                if let Some(job) = this.job.take() {
                    let ended = async move { job.await.flatten().map(drop) };
                    response.body_mut().continue_with(Box::pin(ended));
                }
                Poll::Ready(Ok(response))
            }
            None => Poll::Pending,
        }
    }
}

impl fmt::Debug for EarlyFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EarlyFuture")
    }
}
