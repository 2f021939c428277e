//! The kinds of tasks that a program runs, without their types.

use std::fmt;

use euryale_core::request::Route;
use euryale_core::{Abort, Body, BoxError, Database, Request, Transaction};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Uri};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::payload::Payload;
use crate::run::Run;
use crate::task::{Step, Task};
use crate::tasks::Tasks;

/// One kind.
pub(crate) struct Kind<D: Database> {
    pub(crate) name: &'static str,
    /// The name under which the pool lists its runs.
    pub(crate) route: Route,
    pub(crate) work: Work<D>,
}

/// How a kind runs.
pub(crate) enum Work<D: Database> {
    Function(Box<Function<D>>),
    Request(Box<MakeRequest>),
}

type Called = Result<Ended, Abort>;
type Function<D> =
    dyn Fn(&Tasks<D>, &Request, &Run, &mut Transaction<'_, D>) -> Called + Send + Sync;
type MakeRequest = dyn Fn(&Run) -> Result<http::Request<Body>, BoxError> + Send + Sync;

/// How a function has ended without an error. The texts are JSON.
#[derive(Debug)]
pub(crate) enum Ended {
    Complete(Option<String>),
    Step(String),
}

impl<D: Database> Kind<D> {
    fn new(name: &'static str, work: Work<D>) -> Self {
        Self {
            name,
            route: Route::new(format!("task {name}")),
            work,
        }
    }

    pub(crate) fn function<P, R, F>(f: F) -> Self
    where
        P: Payload,
        R: Serialize,
        F: Fn(&Task<'_, D, P>, &mut Transaction<'_, D>) -> Result<R, Abort> + Send + Sync + 'static,
    {
        let work = Work::Function(Box::new(move |tasks, request, run, transaction| {
            let payload = run.payload()?;
            let outcome = f(&Task::new(payload, tasks, request, run), transaction)?;
            let outcome = run
                .keeps_outcome()
                .then(|| serde_json::to_string(&outcome))
                .transpose()?;
            Ok(Ended::Complete(outcome))
        }));
        Self::new(P::KIND, work)
    }

    pub(crate) fn in_steps<P, C, F>(f: F) -> Self
    where
        P: Payload,
        C: Serialize + DeserializeOwned,
        F: Fn(&Task<'_, D, P>, Option<C>, &mut Transaction<'_, D>) -> Result<Step<C>, Abort>
            + Send
            + Sync
            + 'static,
    {
        let work = Work::Function(Box::new(move |tasks, request, run, transaction| {
            let payload = run.payload()?;
            let cursor = run.cursor_text().map(|text| run.parse(text)).transpose()?;
            match f(
                &Task::new(payload, tasks, request, run),
                cursor,
                transaction,
            )? {
                Step::Next(cursor) => Ok(Ended::Step(serde_json::to_string(&cursor)?)),
                Step::Last => Ok(Ended::Complete(None)),
            }
        }));
        Self::new(P::KIND, work)
    }

    pub(crate) fn request<P: Payload>(
        f: impl Fn(P) -> http::Request<Body> + Send + Sync + 'static,
    ) -> Self {
        let work = Work::Request(Box::new(move |run| Ok(f(run.payload()?))));
        Self::new(P::KIND, work)
    }

    pub(crate) fn post<P: Payload>(uri: Uri) -> Self {
        let work = Work::Request(Box::new(move |run| {
            let mut request = http::Request::new(Body::from(run.payload_text().to_owned()));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = uri.clone();
            let json = HeaderValue::from_static("application/json");
            request.headers_mut().insert(CONTENT_TYPE, json);
            Ok(request)
        }));
        Self::new(P::KIND, work)
    }

    /// Makes the request by which this run enters the stack.
    pub(crate) fn make_request(&self, run: &Run) -> Result<http::Request<Body>, BoxError> {
        let mut request = match &self.work {
            Work::Request(make) => make(run)?,
            Work::Function(_) => {
                let mut request = http::Request::new(Body::empty());
                *request.method_mut() = Method::POST;
                request
            }
        };
        request.extensions_mut().insert(self.route.clone());
        request.extensions_mut().insert(run.clone());
        Ok(request)
    }

    /// Runs the function of this kind. Returns `None` if the site's publisher does the work.
    pub(crate) fn call(
        &self,
        tasks: &Tasks<D>,
        request: &Request,
        run: &Run,
        transaction: &mut Transaction<'_, D>,
    ) -> Option<Result<Ended, Abort>> {
        match &self.work {
            Work::Function(f) => Some(f(tasks, request, run, transaction)),
            Work::Request(_) => None,
        }
    }
}

impl<D: Database> fmt::Debug for Kind<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
