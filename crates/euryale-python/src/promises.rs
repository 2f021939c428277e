//! `environ['euryale.promises']`.

mod outcome;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use euryale::promise::{Key, NoResult, Promises, PromisesExt, UnboundPromises};
use pyo3::exceptions::{PyBaseException, PyLookupError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use self::outcome::{Raised, Value, raise};
use crate::exit;
use crate::lane::Lane;

pyo3::create_exception!(
    euryale,
    Suspend,
    PyBaseException,
    "Ends this call of the application. The request is published again once its promises are \
     resolved, or at once if it has none.\n\nIt is a BaseException, so that `except Exception` \
     does not catch it."
);

/// The key of all promises of applications. Their names are in the log; clients see this one.
const KEY: Key<Value> = Key::new("python").weighed(Value::weight);

/// The promises of one call of an application, until that has ended.
pub(crate) struct Pass {
    promises: Mutex<Option<UnboundPromises>>,
    lane: Lane,
}

impl Pass {
    pub(crate) fn new(promises: &Promises<'_>, lane: &Lane) -> Self {
        Self {
            promises: Mutex::new(Some(promises.unbound())),
            lane: lane.clone(),
        }
    }

    /// Makes later uses of the promises fail: nobody would wait for them.
    pub(crate) fn end(&self) {
        let ended = self.promises.lock();
        drop(ended.unwrap_or_else(PoisonError::into_inner).take());
    }

    fn promises(&self) -> PyResult<UnboundPromises> {
        let promises = self.promises.lock();
        let promises = promises.unwrap_or_else(PoisonError::into_inner).clone();
        let ended = || PyRuntimeError::new_err("the call of the application has ended");
        promises.ok_or_else(ended)
    }
}

/// The promises of a request, and the terms of those that are made through this object.
#[pyclass(frozen, module = "euryale", name = "Promises")]
pub(crate) struct PyPromises {
    pass: Arc<Pass>,
    terms: Terms,
}

#[derive(Clone, Copy, Default)]
struct Terms {
    deadline: Option<Duration>,
    fresh: Option<Duration>,
    stale: Option<Duration>,
}

impl PyPromises {
    pub(crate) fn new(pass: &Arc<Pass>) -> Self {
        Self {
            pass: Arc::clone(pass),
            terms: Terms::default(),
        }
    }

    fn with<T>(&self, f: impl FnOnce(Promises<'_>) -> T) -> PyResult<T> {
        let unbound = self.pass.promises()?;
        let mut promises = unbound.promises();
        if let Some(deadline) = self.terms.deadline {
            promises = promises.deadline(deadline);
        }
        if let Some(fresh) = self.terms.fresh {
            promises = promises.shared(fresh);
        }
        if let Some(stale) = self.terms.stale {
            promises = promises.stale_while_revalidate(stale);
        }
        Ok(f(promises))
    }

    fn find(&self, key: &str) -> PyResult<Result<Arc<Value>, NoResult>> {
        self.with(|promises| promises.result(KEY.with(key)))
    }

    /// Returns the value, or the exception that the promise raised.
    fn resolved(&self, py: Python<'_>, key: &str) -> PyResult<Option<Py<PyAny>>> {
        match self.find(key)? {
            Ok(value) => Ok(Some(value.object(py))),
            Err(NoResult::Failed(error)) => Err(raise(py, &error)),
            Err(_) => Ok(None),
        }
    }

    fn ask(&self, key: &str, call: Call) -> PyResult<()> {
        let lane = self.pass.lane.clone();
        let promise = move || async move {
            let done = lane.run(move |py| outcome::of(py, call.make(py))).await;
            done.unwrap_or_else(|lost| Err(Raised::lost(lost)))
        };
        self.with(|promises| drop(promises.ask(KEY.with(key), promise)))
    }
}

#[pymethods]
impl PyPromises {
    /// Asks for the result of a call in the next pass. Does nothing if the key was asked for
    /// before.
    #[pyo3(signature = (key, function, /, *arguments, **keywords))]
    fn submit(
        &self,
        key: &str,
        function: Py<PyAny>,
        arguments: Py<PyTuple>,
        keywords: Option<Py<PyDict>>,
    ) -> PyResult<()> {
        self.ask(
            key,
            Call {
                function,
                arguments,
                keywords,
            },
        )
    }

    /// Returns the result of a call, raises its exception, or suspends until it is resolved.
    #[pyo3(signature = (key, function = None, /, *arguments, **keywords))]
    fn result(
        &self,
        py: Python<'_>,
        key: &str,
        function: Option<Py<PyAny>>,
        arguments: Py<PyTuple>,
        keywords: Option<Py<PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        match self.find(key)? {
            Ok(value) => return Ok(value.object(py)),
            Err(NoResult::Failed(error)) => return Err(raise(py, &error)),
            Err(NoResult::NotResolved(_)) => return Err(suspended(key)),
            Err(_) => {}
        }
        let Some(function) = function else {
            let text = format!("no promise was submitted as {key:?}");
            return Err(PyLookupError::new_err(text));
        };
        self.submit(key, function, arguments, keywords)?;
        // A shared value may exist already.
        self.resolved(py, key)?.ok_or_else(|| suspended(key))
    }

    /// Returns the result of a call, raises its exception, or returns `default` if it is not
    /// resolved.
    #[pyo3(signature = (key, default = None))]
    fn get(
        &self,
        py: Python<'_>,
        key: &str,
        default: Option<Py<PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        Ok(self.resolved(py, key)?.or(default))
    }

    /// Whether the key is resolved, to a value or an exception.
    fn has(&self, key: &str) -> PyResult<bool> {
        Ok(matches!(self.find(key)?, Ok(_) | Err(NoResult::Failed(_))))
    }

    /// Whether the key was asked for in this pass and is not resolved.
    fn is_submitted(&self, key: &str) -> PyResult<bool> {
        Ok(matches!(self.find(key)?, Err(NoResult::NotResolved(_))))
    }

    /// Drops what was asked for in this pass. Returns whether there was something.
    fn cancel(&self, key: &str) -> PyResult<bool> {
        self.with(|promises| promises.cancel(KEY.with(key)))
    }

    /// Drops a result, so that the key can be asked for again. Returns whether there was one.
    fn clear(&self, key: &str) -> PyResult<bool> {
        self.with(|promises| promises.clear(KEY.with(key)))
    }

    /// Makes this pass the answer: what it has asked for so far is dropped.
    fn serve_placeholders(&self) -> PyResult<()> {
        self.with(|promises| promises.serve_placeholders())
    }

    /// Returns an object whose promises have this deadline, in seconds from the end of the pass.
    fn deadline(&self, seconds: f64) -> PyResult<Self> {
        let terms = Terms {
            deadline: Some(duration(seconds)?),
            ..self.terms
        };
        Ok(Self {
            pass: Arc::clone(&self.pass),
            terms,
        })
    }

    /// Returns an object whose promises are shared among all requests: a value is fetched once for
    /// `seconds`, and is returned for `stale` more seconds while another one is fetched.
    #[pyo3(signature = (seconds, stale = 0.0))]
    fn shared(&self, seconds: f64, stale: f64) -> PyResult<Self> {
        let stale = duration(stale)?;
        let terms = Terms {
            fresh: Some(duration(seconds)?),
            stale: (!stale.is_zero()).then_some(stale),
            ..self.terms
        };
        Ok(Self {
            pass: Arc::clone(&self.pass),
            terms,
        })
    }
}

fn suspended(key: &str) -> PyErr {
    Suspend::new_err(key.to_owned())
}

fn duration(seconds: f64) -> PyResult<Duration> {
    let wrong = |error| PyValueError::new_err(format!("{seconds} seconds: {error}"));
    Duration::try_from_secs_f64(seconds).map_err(wrong)
}

/// A call that is made later, in another thread.
pub(crate) struct Call {
    pub(crate) function: Py<PyAny>,
    pub(crate) arguments: Py<PyTuple>,
    pub(crate) keywords: Option<Py<PyDict>>,
}

impl Call {
    pub(crate) fn make(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let keywords = self.keywords.as_ref().map(|keywords| keywords.bind(py));
        let arguments = self.arguments.bind(py);
        let returned = self.function.bind(py).call(arguments, keywords);
        exit::unless_child(py, returned.map(Bound::unbind))
    }
}
