//! `wsgi.file_wrapper`, and the files that are sent without being read.

use std::fs::{self, File};
use std::path::Path;

use euryale::Blob;
use euryale::blob::ServeFolder;
use pyo3::exceptions::PyStopIteration;
use pyo3::prelude::*;
use pyo3::types::PyType;
use pyo3::{PyTypeInfo, intern};

/// `wsgi.file_wrapper(filelike, block_size)`: an iterable of the file's blocks. A regular file is
/// sent directly and not iterated (PEP 3333, "Optional Platform-Specific File Handling").
#[pyclass(frozen, module = "euryale")]
pub(crate) struct FileWrapper {
    #[pyo3(get)]
    filelike: Py<PyAny>,
    block_size: usize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (filelike, block_size = 32_768))]
    fn new(filelike: Py<PyAny>, block_size: usize) -> Self {
        Self {
            filelike,
            block_size,
        }
    }

    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let read = self.filelike.bind(py).getattr(intern!(py, "read"))?;
        let block = read.call1((self.block_size,))?;
        if block.is_truthy()? {
            Ok(block)
        } else {
            Err(PyStopIteration::new_err(()))
        }
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.filelike.bind(py).getattr_opt(intern!(py, "close"))? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

impl FileWrapper {
    /// Returns whether it wraps a file of the system.
    pub(crate) fn is_file(&self, py: Python<'_>, kinds: &Kinds) -> bool {
        matches!(kinds.find(self.filelike.bind(py)), Ok(Some(_)))
    }

    /// Returns the wrapped file as a blob that begins at the file's position and has at most
    /// `length` bytes. `None` if it is not a regular file, or its class does not read the file's
    /// own bytes.
    pub(crate) fn blob(&self, py: Python<'_>, length: Option<u64>, kinds: &Kinds) -> Option<Blob> {
        let (file, end) = kinds.find(self.filelike.bind(py)).ok().flatten()?;
        open(&file, end, length).ok().flatten()
    }
}

/// The classes of `io` whose objects are files of the system.
pub(crate) struct Kinds(Vec<Py<PyType>>);

impl Kinds {
    pub(crate) fn new(py: Python<'_>) -> PyResult<Self> {
        let io = py.import("io")?;
        let kinds = ["FileIO", "BufferedReader", "BufferedRandom"]
            .into_iter()
            .map(|name| Ok(io.getattr(name)?.cast_into::<PyType>()?.unbind()));
        kinds.collect::<PyResult<_>>().map(Self)
    }

    /// Returns the file, and the position at which it ends for the application.
    ///
    /// It is the object itself, or its attribute `file` (wrappers of Django and `tempfile`), or its
    /// attribute `_io` between `start` and `end` (plone.namedfile's `filestream_range_iterator`).
    /// An object with its own `read`, such as `gzip`'s, is not accepted, because its bytes are not
    /// those of the file.
    fn find<'py>(
        &self,
        object: &Bound<'py, PyAny>,
    ) -> PyResult<Option<(Bound<'py, PyAny>, Option<u64>)>> {
        let py = object.py();
        if self.is_file(object)? {
            return Ok(Some((object.clone(), None)));
        }
        if let Some(inner) = object.getattr_opt(intern!(py, "_io"))? {
            let Some(end) = object.getattr_opt(intern!(py, "end"))? else {
                return Ok(None);
            };
            // `None` is the end of the file.
            let Ok(end) = end.extract::<Option<u64>>() else {
                return Ok(None);
            };
            let is_range = is_range(object)? && self.is_file(&inner)?;
            return Ok(is_range.then_some((inner, end)));
        }
        if !object.hasattr(intern!(py, "fileno"))? {
            return Ok(None);
        }
        match object.getattr_opt(intern!(py, "file"))? {
            Some(inner) if self.is_file(&inner)? && reads(object, &inner)? => {
                Ok(Some((inner, None)))
            }
            _ => Ok(None),
        }
    }

    /// Returns whether the object is an instance of one of the classes, or of a subclass that does
    /// not override `read`.
    fn is_file(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let py = object.py();
        let read = intern!(py, "read");
        for kind in &self.0 {
            let kind = kind.bind(py);
            if object.is_instance(kind)? {
                return Ok(object.get_type().getattr(read)?.is(&kind.getattr(read)?));
            }
        }
        Ok(false)
    }
}

/// Returns whether `read` is the method of plone.namedfile's class.
fn is_range(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    let read = object.getattr(intern!(py, "read"))?;
    read.getattr(intern!(py, "__qualname__"))?
        .eq("filestream_range_iterator.read")
}

/// Returns whether `read` is the file's own method, or the function with which `tempfile` wraps it.
fn reads(object: &Bound<'_, PyAny>, file: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = object.py();
    let read = object.getattr(intern!(py, "read"))?;
    let wrapped = read.getattr_opt(intern!(py, "__wrapped__"))?;
    let method = wrapped.unwrap_or(read);
    let owner = method.getattr_opt(intern!(py, "__self__"))?;
    Ok(owner.is_some_and(|owner| owner.is(file)))
}

fn open(file: &Bound<'_, PyAny>, end: Option<u64>, length: Option<u64>) -> PyResult<Option<Blob>> {
    let py = file.py();
    // Otherwise, bytes in Python's buffer would not be sent.
    file.call_method0(intern!(py, "flush"))?;
    let number: u32 = file.call_method0(intern!(py, "fileno"))?.extract()?;
    let position: u64 = file.call_method0(intern!(py, "tell"))?.extract()?;
    let path = format!("/proc/self/fd/{number}");
    // Opening a pipe here would succeed, and then wait for a writer.
    if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
        return Ok(None);
    }
    // The file is opened again, so that `close()` runs in the worker and the position is not
    // shared.
    let Ok(own) = File::open(&path) else {
        return Ok(None);
    };
    let Some(blob) = blob(own) else {
        return Ok(None);
    };
    let end = end.unwrap_or(u64::MAX).min(blob.len());
    let len = end.saturating_sub(position);
    let len = length.map_or(len, |length| length.min(len));
    Ok(Some(blob.slice(position, len)))
}

/// Returns the whole file. It belongs to the application, so it may change while it is sent.
#[expect(
    unsafe_code,
    reason = "the promise of `Blob::stable` is kept by the whole host"
)]
fn blob(file: File) -> Option<Blob> {
    // SAFETY: no code reads the bytes of the map, which only Euryale's server makes, and only for a
    // body that it sends itself. The layers that read bodies (`front.rs`) are inside it: `Compress`
    // leaves responses with a `BlobHandle` alone (`may_compress`), and so does the chain of
    // transforms. Tiles, layouts and documents of themes are answers of sub-requests, which no
    // server sends, so a file among them is read into memory, where it cannot change, and so is one
    // over HTTP/2.
    unsafe { Blob::stable(file) }.ok()
}

/// Returns the service of a folder. Its files may change while they are sent.
#[expect(
    unsafe_code,
    reason = "the promise of `Blob::stable` is kept by the whole host"
)]
pub(crate) fn folder(path: &Path) -> ServeFolder {
    // SAFETY: no code reads the bytes, as in `blob` above.
    unsafe { ServeFolder::new(path).stable(true) }
}

/// Returns the class, for `environ`.
pub(crate) fn class(py: Python<'_>) -> Bound<'_, PyType> {
    FileWrapper::type_object(py)
}
