//! The iterable that an application returned.

use euryale::Blob;
use euryale_wsgi::Iterable;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator, PyList, PyTuple};

use crate::exit;
use crate::file::{FileWrapper, Kinds};

/// The iterable, used only in the thread that runs it.
pub(crate) struct Returned<'py, 'a> {
    object: Bound<'py, PyAny>,
    iterator: Option<Bound<'py, PyIterator>>,
    kinds: &'a Kinds,
}

/// A block that is borrowed from Python.
pub(crate) struct Block<'py>(Bound<'py, PyBytes>);

impl AsRef<[u8]> for Block<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl<'py, 'a> Returned<'py, 'a> {
    pub(crate) fn new(object: Bound<'py, PyAny>, kinds: &'a Kinds) -> Self {
        Self {
            object,
            iterator: None,
            kinds,
        }
    }

    /// Returns whether it is a file of the system, which is sent without being read.
    pub(crate) fn is_file(&self) -> bool {
        let wrapper = self.object.cast_exact::<FileWrapper>().ok();
        wrapper.is_some_and(|wrapper| wrapper.get().is_file(self.object.py(), self.kinds))
    }
}

impl<'py> Iterable for Returned<'py, '_> {
    type Block = Block<'py>;
    type Error = PyErr;

    fn file(&mut self, length: Option<u64>) -> Option<Blob> {
        let wrapper = self.object.cast_exact::<FileWrapper>().ok()?;
        wrapper.get().blob(self.object.py(), length, self.kinds)
    }

    fn is_list(&self) -> bool {
        self.object.is_instance_of::<PyList>() || self.object.is_instance_of::<PyTuple>()
    }

    fn next(&mut self) -> PyResult<Option<Block<'py>>> {
        let iterator = match &mut self.iterator {
            Some(iterator) => iterator,
            None => {
                let iterator = exit::unless_child(self.object.py(), self.object.try_iter())?;
                self.iterator.insert(iterator)
            }
        };
        let block = iterator.next().transpose();
        let Some(block) = exit::unless_child(self.object.py(), block)? else {
            return Ok(None);
        };
        match block.cast_into::<PyBytes>() {
            Ok(block) => Ok(Some(Block(block))),
            Err(wrong) => {
                let kind = wrong.into_inner().get_type();
                let what = format!("the iterable has a block of {kind}, not of bytes");
                Err(PyTypeError::new_err(what))
            }
        }
    }

    fn close(&mut self) -> PyResult<()> {
        close(&self.object)
    }
}

/// Calls `close()` of an iterable, if it has one.
pub(crate) fn close(iterable: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = iterable.py();
    if iterable.is_exact_instance_of::<PyList>() || iterable.is_exact_instance_of::<PyTuple>() {
        // They have no such method, and asking Python would raise an exception.
        return Ok(());
    }
    match iterable.getattr_opt(intern!(py, "close"))? {
        Some(close) => exit::unless_child(py, close.call0()).map(drop),
        None => Ok(()),
    }
}
