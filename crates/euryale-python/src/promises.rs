//! `environ['euryale.promises']`.

mod outcome;

use std::sync::Arc;
use std::time::Duration;

use euryale::BoxError;
use euryale::promise::{Key, NoResult, Promises, PromisesExt, UnboundPromises};
use pyo3::exceptions::{PyLookupError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use self::outcome::{Value, raise};
use crate::call::Call;
use crate::exceptions::Suspend;
use crate::pass::Pass;

/// The key of all promises of applications. `Server-Timing` shows only this key; their names are
/// in the log.
const KEY: Key<Value> = Key::new("python").weighed(Value::weight);

/// The promises of a request, with the terms of those that are made through this object.
#[pyclass(frozen, module = "euryale", name = "Promises")]
pub(crate) struct PyPromises {
    pass: Arc<Pass>,
    promises: UnboundPromises,
}

impl PyPromises {
    pub(crate) fn new(pass: &Arc<Pass>, promises: &Promises<'_>) -> Self {
        Self {
            pass: Arc::clone(pass),
            promises: promises.unbound(),
        }
    }

    fn with<T>(&self, f: impl FnOnce(Promises<'_>) -> T) -> PyResult<T> {
        self.pass.check()?;
        Ok(f(self.promises.promises()))
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
        let lane = self.pass.lane().clone();
        let asked = Arc::clone(self.pass.asked());
        let promise = move || async move {
            let made = lane.run(&asked, move |py| outcome::of(py, call.make(py)));
            let value = made.await??;
            Ok::<_, BoxError>(value)
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

    /// Whether this pass has asked for promises that are unresolved, so that it is not the answer.
    fn is_pending(&self) -> PyResult<bool> {
        self.with(|promises| promises.is_pending())
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
        let within = duration(seconds)?;
        let promises = self.promises.promises().deadline(within);
        Ok(Self::new(&self.pass, &promises))
    }

    /// Returns an object whose promises are shared among all requests: a value is fetched once for
    /// `seconds`, and is returned for `stale` more seconds while another one is fetched.
    #[pyo3(signature = (seconds, stale = 0.0))]
    fn shared(&self, seconds: f64, stale: f64) -> PyResult<Self> {
        let stale = duration(stale)?;
        let fresh = duration(seconds)?;
        let promises = self.promises.promises().shared(fresh);
        let promises = promises.stale_while_revalidate(stale);
        Ok(Self::new(&self.pass, &promises))
    }
}

fn suspended(key: &str) -> PyErr {
    Suspend::new_err(key.to_owned())
}

fn duration(seconds: f64) -> PyResult<Duration> {
    let wrong = |error| PyValueError::new_err(format!("{seconds} seconds: {error}"));
    Duration::try_from_secs_f64(seconds).map_err(wrong)
}
