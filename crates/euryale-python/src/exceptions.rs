//! The exceptions by which an application ends its call.

use pyo3::exceptions::{PyBaseException, PyException};

pyo3::create_exception!(
    euryale,
    Suspend,
    PyBaseException,
    "Ends this call of the application. The request is published again once its promises are \
     resolved, or at once if it has none.\n\nIt is a BaseException, so that `except Exception` \
     does not catch it."
);

pyo3::create_exception!(
    euryale,
    LaneFull,
    PyException,
    "Too many calls wait for a thread outside the workers. Where it is not caught, the answer is \
     503, so that the client may try again."
);
