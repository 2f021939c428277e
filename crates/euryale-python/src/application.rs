//! A WSGI application as a publisher.

use std::sync::Arc;

use euryale::body::{Early, EarlyAnswers};
use euryale::error::LANE_FULL;
use euryale::promise::{Promises, PromisesExt};
use euryale::request::InternalRequest;
use euryale::transaction::Access;
use euryale::{Abort, Error, Publisher, Request, Response, Transaction};
use euryale_wsgi::{Exchange, Failure};
use http::Method;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::after_commit::{self, Current};
use crate::again::{Again, Conflict, OwnDatabase};
use crate::answering::Answering;
use crate::answers::Asked;
use crate::at_work::AtWork;
use crate::body::RequestBody;
use crate::deferred::{self, Deferred};
use crate::environ::{Address, Environ};
use crate::exceptions::{LaneFull, Suspend};
use crate::exit;
use crate::gil::Gil;
use crate::iterable::{Returned, close};
use crate::page::PyPage;
use crate::pass::Pass;
use crate::promises::PyPromises;
use crate::start::{Shared, StartResponse};
use crate::stream::{self, Stream};
use crate::transforms::Choices;

/// Calls the application in a worker. Transactions are handled by the application, and end before
/// its callable returns.
pub(crate) struct Application {
    callable: Py<PyAny>,
    environ: Environ,
    /// What the application may choose for its pages.
    choices: Choices,
    at_work: AtWork,
    answering: Arc<Answering>,
}

impl Application {
    pub(crate) fn new(
        py: Python<'_>,
        callable: Py<PyAny>,
        address: Address,
        choices: Choices,
        at_work: AtWork,
        answering: Answering,
    ) -> PyResult<Self> {
        Ok(Self {
            callable,
            environ: Environ::new(py, address)?,
            choices,
            at_work,
            answering: Arc::new(answering),
        })
    }

    /// How much of an answer may wait for its client once it has begun to leave.
    pub(crate) fn early_answers(&self) -> &EarlyAnswers {
        &self.answering.early
    }
}

/// The end of a call without an exception.
enum Ended {
    /// Its iterable has ended, with the exception that `close()` raised, if any.
    Iterated(Option<PyErr>),
    /// It has left its answer to a call in the lane, or its stream was refused.
    Answered(Response),
    /// It goes on in the lane.
    Streaming(Response),
}

impl Application {
    fn answer(
        &self,
        py: Python<'_>,
        request: &Request,
        asked: &Arc<Asked>,
        pass: &Arc<Pass>,
        early: Option<Early>,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Response, Failure<PyErr>> {
        let exchange = self.answering.exchange(request.method());
        exchange.allow_early(early);
        let shared = Shared::new(&exchange);
        let environ = self.environ(py, request, asked, pass, &shared);
        let environ = environ.map_err(Failure::Application)?;
        let ended = self.call(
            py,
            asked,
            environ,
            &exchange,
            shared.clone(),
            is_client_gone,
        );
        let ran = match ended {
            Ok(Ended::Streaming(response)) => return Ok(response),
            Ok(Ended::Answered(response)) => {
                shared.end();
                return exchange
                    .incomplete()
                    .map_or(Ok(response), |incomplete| Err(incomplete.into()));
            }
            Ok(Ended::Iterated(closed)) => Ok(closed),
            Err(failure) => Err(failure),
        };
        shared.end();
        self.answering.end(py, asked, &exchange, ran)
    }

    /// Returns the dictionary for this call.
    fn environ<'py>(
        &self,
        py: Python<'py>,
        request: &Request,
        asked: &Arc<Asked>,
        pass: &Arc<Pass>,
        call: &Shared,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.environ.of(py, request)?;
        environ.set_item(
            intern!(py, "euryale.promises"),
            PyPromises::new(pass, &request.promises()),
        )?;
        environ.set_item(
            intern!(py, "euryale.body"),
            RequestBody::new(request.body()),
        )?;
        environ.set_item(intern!(py, "euryale.history"), pass.history())?;
        // A request to the site itself is for a part of a page.
        let is_part = InternalRequest::of(request.extensions()).is_some();
        environ.set_item(intern!(py, "euryale.is_part"), is_part)?;
        if self.choices.is_some() && !is_part {
            let page = PyPage::new(&self.choices, asked, call);
            environ.set_item(intern!(py, "euryale.page"), page)?;
        }
        Ok(environ)
    }

    /// Calls the application.
    fn call(
        &self,
        py: Python<'_>,
        asked: &Arc<Asked>,
        environ: Bound<'_, PyDict>,
        exchange: &Arc<Exchange<Gil>>,
        shared: Shared,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Ended, Failure<PyErr>> {
        let returned = Bound::new(py, StartResponse(shared.clone())).and_then(|start_response| {
            let returned = self.callable.bind(py).call1((environ, start_response));
            exit::unless_child(py, returned)
        });
        let returned = returned.map_err(Failure::Application)?;
        if let Ok(deferred) = returned.cast::<Deferred>() {
            let response = self.defer(asked, deferred.get());
            return response.map(Ended::Answered).map_err(Failure::Application);
        }
        if let Ok(stream) = returned.cast::<Stream>() {
            let iterable = stream.get().take().map_err(Failure::Application)?;
            return self.stream(py, asked, exchange, shared, iterable, is_client_gone);
        }
        let closed = exchange.run(
            Returned::new(returned, &self.answering.kinds),
            is_client_gone,
        )?;
        Ok(Ended::Iterated(closed))
    }

    /// Leaves an iterable to the lane. It is run here if it is a file, or if `write` was called
    /// before. If the lane is full it is only closed, because one without end would hold the
    /// worker.
    fn stream(
        &self,
        py: Python<'_>,
        asked: &Arc<Asked>,
        exchange: &Arc<Exchange<Gil>>,
        shared: Shared,
        iterable: Py<PyAny>,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Ended, Failure<PyErr>> {
        let returned = Returned::new(iterable.bind(py).clone(), &self.answering.kinds);
        let is_file = returned.is_file();
        if asked.method == Method::HEAD && !is_file {
            return exchange.run_for_head(returned).map(Ended::Iterated);
        }
        if is_file || !exchange.is_untouched() {
            return exchange.run(returned, is_client_gone).map(Ended::Iterated);
        }
        let Ok(place) = self.answering.lanes.streams.reserve() else {
            let closed = close(iterable.bind(py));
            self.answering.log_close(py, asked, closed.err());
            return Ok(Ended::Answered(asked.no_room()));
        };
        // This right belongs to the worker.
        exchange.allow_early(None);
        let call = stream::Call {
            answering: Arc::clone(&self.answering),
            asked: Arc::clone(asked),
            exchange: Arc::clone(exchange),
            shared,
        };
        Ok(Ended::Streaming(stream::response(call, iterable, place)))
    }

    /// Takes the call that makes the answer.
    fn defer(&self, asked: &Arc<Asked>, deferred: &Deferred) -> PyResult<Response> {
        let call = deferred.take()?;
        let place = self.answering.lanes.calls.reserve()?;
        let asked = Arc::clone(asked);
        Ok(deferred::response(&self.answering, asked, call, place))
    }
}

impl Publisher<OwnDatabase> for Application {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, OwnDatabase>,
    ) -> Result<Response, Abort> {
        let asked = Arc::new(Asked::of(request));
        let _calling = self.at_work.begin(&asked);
        Python::attach(|py| {
            // A request that may change something is never interrupted.
            let reads = Access::of(request.method()) == Access::Read;
            let early = transaction.take_early();
            let is_client_gone = || reads && transaction.client_is_gone();
            let promises = request.promises();
            let lane = &self.answering.lanes.calls;
            let pass = Pass::new(transaction.attempt(), lane, &asked);
            let answer = {
                let _current = Current::set(&pass);
                self.answer(py, request, &asked, &pass, early, is_client_gone)
            };
            for call in pass.end() {
                let made =
                    after_commit::make(Arc::clone(&self.answering), Arc::clone(&asked), call);
                transaction.spawn_after_commit(made);
            }
            answer.map_err(|failure| self.abort(py, &asked, &promises, failure))
        })
    }

    fn answers_head(&self) -> bool {
        true
    }
}

impl Application {
    /// Returns how a failed call ends: with another pass or attempt, with 503, or with an error
    /// page.
    fn abort(
        &self,
        py: Python<'_>,
        asked: &Asked,
        promises: &Promises<'_>,
        failure: Failure<PyErr>,
    ) -> Abort {
        match failure {
            Failure::Application(error) if error.is_instance_of::<Suspend>(py) => {
                promises.suspend().into()
            }
            Failure::Application(error) if error.is_instance_of::<Again>(py) => {
                Abort::error(Conflict::new(py, &error))
            }
            Failure::Application(error) if error.is_instance_of::<LaneFull>(py) => {
                Abort::error(Error::with_source(LANE_FULL, error.to_string()))
            }
            failure => Abort::response(self.answering.failed(py, asked, failure)),
        }
    }
}
