//! Calls of Python functions that are made later, in another thread.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::exit;
use crate::lane::LanePlace;

/// A function and its arguments.
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

/// A call that has its place in the lane.
pub(crate) struct PlacedCall {
    pub(crate) call: Call,
    pub(crate) place: LanePlace,
}
