//! `environ['euryale.body']`: the request's body as a file of the system.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use euryale::body::SpooledBody;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// The complete body of a request.
#[pyclass(frozen, module = "euryale", name = "RequestBody")]
pub(crate) struct RequestBody {
    body: SpooledBody,
    /// The file that `fileno` has opened.
    file: Mutex<Option<File>>,
}

impl RequestBody {
    pub(crate) fn new(body: &SpooledBody) -> Self {
        Self {
            body: body.clone(),
            file: Mutex::default(),
        }
    }
}

#[pymethods]
impl RequestBody {
    /// Returns the number of bytes.
    fn __len__(&self) -> PyResult<usize> {
        Ok(usize::try_from(self.body.len())?)
    }

    /// Returns a descriptor of the body's file, with a position of its own. It is closed with this
    /// object. A body in memory has none.
    fn fileno(&self) -> PyResult<i32> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*file {
            return Ok(file.as_raw_fd());
        }
        let Some(opened) = self.body.reopen()? else {
            return Err(PyOSError::new_err("the body is in memory and has no file"));
        };
        Ok(file.insert(opened).as_raw_fd())
    }

    /// Gives the body this name, which must not exist: by a link if it has a file on the same file
    /// system, and otherwise by a copy. It is on the disk afterwards.
    fn persist(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        Ok(py.detach(|| self.body.persist(path))?)
    }

    /// Removes a name that `persist` has given, so that another attempt may give it again.
    fn take_back(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        Ok(py.detach(|| self.body.take_back(path))?)
    }
}
