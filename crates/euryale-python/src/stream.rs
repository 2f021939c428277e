//! `euryale.stream(…)`: an iterable that is read outside the workers, while its answer is sent.
//!
//! It leaves as an early answer does, from a thread of the lane for streams in place of a worker: a
//! head with the first block, then a window in memory and a file for what the client has not read,
//! and a broken body after a failure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use euryale::body::{Early, EarlyFuture, EarlyRecord, JobDone};
use euryale::error::{ANSWER_ABANDONED, CLIENT_GONE};
use euryale::{Blob, Body, Error, Response};
use euryale_wsgi::{Exchange, Iterable};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::answering::Answering;
use crate::answers::Asked;
use crate::at_work::Step;
use crate::gil::Gil;
use crate::iterable::{Block, Returned, close};
use crate::lane::LanePlace;
use crate::start::Shared;

/// What an application returns for an iterable that may be read outside the workers. Code that does
/// not know it reads the iterable through it.
#[pyclass(frozen, module = "euryale")]
pub(crate) struct Stream(Mutex<Option<Py<PyAny>>>);

/// Returns an iterable whose blocks are made outside the workers, once this call of the application
/// has ended. Its answer leaves with the first block.
///
/// The iterable must not use what belongs to the call, such as its database connection. Under
/// another server, and behind middleware that iterates over it, it is an ordinary iterable.
#[pyfunction]
#[pyo3(signature = (iterable, /))]
pub(crate) fn stream(iterable: Py<PyAny>) -> Stream {
    Stream(Mutex::new(Some(iterable)))
}

#[pymethods]
impl Stream {
    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        let iterable = self.lock().as_ref().map(|iterable| iterable.clone_ref(py));
        iterable.ok_or_else(returned)?.into_bound(py).try_iter()
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let iterable = self.lock().take();
        iterable.map_or(Ok(()), |iterable| close(iterable.bind(py)))
    }
}

impl Stream {
    /// Returns the iterable, once. From then on it is closed by the server.
    pub(crate) fn take(&self) -> PyResult<Py<PyAny>> {
        self.lock().take().ok_or_else(returned)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Py<PyAny>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn returned() -> PyErr {
    PyRuntimeError::new_err("a stream was returned twice, or is closed")
}

/// The call of an application that goes on in a thread of the lane.
pub(crate) struct Call {
    pub(crate) answering: Arc<Answering>,
    pub(crate) asked: Arc<Asked>,
    pub(crate) exchange: Arc<Exchange<Gil>>,
    /// The application may call `start_response` as late as in its first block.
    pub(crate) shared: Shared,
}

/// The iterable until a thread takes it. If none does, it is closed in a thread of the lane.
struct Untaken {
    iterable: Option<(Py<PyAny>, LanePlace)>,
    call: Call,
}

impl Drop for Untaken {
    fn drop(&mut self) {
        let Some((iterable, place)) = self.iterable.take() else {
            return;
        };
        self.call.shared.end();
        let answering = Arc::clone(&self.call.answering);
        let asked = Arc::clone(&self.call.asked);
        self.call
            .answering
            .lanes
            .streams
            .close(&self.call.asked, move |py| {
                // The place bounds the iterables that are to be closed, too.
                drop(place);
                let closed = close(iterable.bind(py));
                answering.log_close(py, &asked, closed.err());
            });
    }
}

/// Tells the thread that nobody wants the rest of the answer any more, when it is dropped.
struct Unwanted(Arc<AtomicBool>);

impl Drop for Unwanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Returns the response whose body the iterable makes in the lane.
pub(crate) fn response(call: Call, iterable: Py<PyAny>, place: LanePlace) -> Response {
    let untaken = Untaken {
        iterable: Some((iterable, place)),
        call,
    };
    let answer = async move {
        let (hand_over, future) = EarlyFuture::channel();
        let record = hand_over.record().clone();
        let Call {
            answering, asked, ..
        } = &untaken.call;
        let early = Early::new(
            answering.early.clone(),
            &answering.ledger,
            hand_over,
            false,
            Ok,
        );
        let asked = Arc::clone(asked);
        let is_gone = Arc::new(AtomicBool::new(false));
        let unwanted = Unwanted(Arc::clone(&is_gone));
        let lane = answering.lanes.streams.clone();
        let made = lane.run(&asked, move |py| untaken.run(py, early, &record, &is_gone));
        let job: JobDone = Box::pin(async move {
            let _unwanted = unwanted;
            made.await
        });
        future.of(job).await
    };
    Response::new(Body::deferred(answer))
}

impl Untaken {
    /// Runs the iterable on this thread. The error breaks off an answer that has left.
    fn run(
        mut self,
        py: Python<'_>,
        early: Early,
        record: &EarlyRecord,
        is_gone: &AtomicBool,
    ) -> Result<Response, Error> {
        let Some((iterable, place)) = self.iterable.take() else {
            return Err(Error::new(ANSWER_ABANDONED));
        };
        drop(place);
        let Call {
            answering,
            asked,
            exchange,
            shared,
        } = &self.call;
        exchange.allow_early(Some(early));
        let blocks = Blocks {
            returned: Returned::new(iterable.into_bound(py), &answering.kinds),
            answering,
        };
        let is_client_gone = || is_gone.load(Ordering::Acquire);
        let ran = exchange.run(blocks, is_client_gone);
        shared.end();
        match answering.end(py, asked, exchange, ran) {
            Ok(response) => Ok(response),
            Err(failure) => {
                let page = answering.failed(py, asked, failure);
                match record.has_left() {
                    false => Ok(page),
                    true if is_client_gone() => Err(Error::new(CLIENT_GONE)),
                    true => Err(Error::new(ANSWER_ABANDONED)),
                }
            }
        }
    }
}

/// The iterable, while a thread of the lane runs it.
struct Blocks<'py, 'a> {
    returned: Returned<'py, 'a>,
    answering: &'a Answering,
}

impl<'py> Iterable for Blocks<'py, '_> {
    type Block = Block<'py>;
    type Error = PyErr;

    fn file(&mut self, length: Option<u64>) -> Option<Blob> {
        self.returned.file(length)
    }

    fn is_list(&self) -> bool {
        self.returned.is_list()
    }

    fn next(&mut self) -> PyResult<Option<Block<'py>>> {
        self.answering.lanes.streams.step(Step::Making);
        let block = self.returned.next();
        self.answering.lanes.streams.step(Step::Sending);
        block
    }

    fn close(&mut self) -> PyResult<()> {
        self.returned.close()
    }
}
