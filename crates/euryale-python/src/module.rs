//! The module that Python imports as `euryale._euryale`.

use std::collections::HashMap;
use std::path::PathBuf;

use euryale_server::supervise;
use euryale_wsgi::Settings;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::again::Again;
use crate::{
    after_commit, body, deferred, exceptions, exit, file, main_thread, page, parent, promises,
    server, stream,
};

/// The names of all settings: `(name, alias or None, help, whether it is used)`.
#[pyfunction]
fn settings() -> Vec<(&'static str, Option<&'static str>, &'static str, bool)> {
    let keys = Settings::KEYS.iter();
    keys.map(|setting| (setting.key, setting.alias, setting.help, setting.is_used()))
        .collect()
}

/// The names of the settings whose values are lists.
#[pyfunction]
fn lists() -> Vec<&'static str> {
    let keys = Settings::KEYS.iter();
    keys.filter(|setting| setting.is_list())
        .map(|setting| setting.key)
        .collect()
}

/// The number of processes in these settings, or `None` for one without a parent.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 makes it of a dict")]
fn processes(settings: HashMap<String, String>) -> PyResult<Option<usize>> {
    Ok(server::read(&settings)?.processes_behind_a_parent())
}

/// Whether the application is to be started again after a change, with these settings.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 makes it of a dict")]
fn reloads(settings: HashMap<String, String>) -> PyResult<bool> {
    Ok(server::read(&settings)?.reload)
}

/// Whether this process is a child of the parent of several processes.
#[pyfunction]
fn is_child() -> bool {
    supervise::is_child()
}

/// The names of the settings whose values are `on` or `off`.
#[pyfunction]
fn switches() -> Vec<&'static str> {
    let keys = Settings::KEYS.iter();
    keys.filter(|setting| setting.is_switch())
        .map(|setting| setting.key)
        .collect()
}

/// Gives a command to the server whose console is at `path`. Returns whether it was carried out,
/// and its answer.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 makes it of a list")]
fn ctl(py: Python<'_>, path: PathBuf, words: Vec<String>) -> PyResult<(bool, String)> {
    let answer = py.detach(|| euryale_admin::ctl(path, &words));
    let answer = answer.map_err(|error| PyOSError::new_err(error.to_string()))?;
    Ok(match answer {
        Ok(text) => (true, text),
        Err(text) => (false, text),
    })
}

#[pymodule]
fn _euryale(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("Again", module.py().get_type::<Again>())?;
    module.add("CHILD", supervise::CHILD_VARIABLE)?;
    module.add("FIRST_STEP", supervise::FIRST_STEP_VARIABLE)?;
    module.add_class::<server::Server>()?;
    module.add_class::<parent::Parent>()?;
    module.add_class::<main_thread::Order>()?;
    module.add_class::<file::FileWrapper>()?;
    module.add_class::<promises::PyPromises>()?;
    module.add_class::<body::RequestBody>()?;
    module.add_class::<page::PyPage>()?;
    module.add_class::<deferred::Deferred>()?;
    module.add_function(wrap_pyfunction!(deferred::deferred, module)?)?;
    module.add_class::<stream::Stream>()?;
    module.add_function(wrap_pyfunction!(stream::stream, module)?)?;
    module.add_function(wrap_pyfunction!(after_commit::after_commit, module)?)?;
    module.add("LaneFull", module.py().get_type::<exceptions::LaneFull>())?;
    module.add("Suspend", module.py().get_type::<exceptions::Suspend>())?;
    module.add_function(wrap_pyfunction!(settings, module)?)?;
    module.add_function(wrap_pyfunction!(lists, module)?)?;
    module.add_function(wrap_pyfunction!(processes, module)?)?;
    module.add_function(wrap_pyfunction!(reloads, module)?)?;
    module.add_function(wrap_pyfunction!(is_child, module)?)?;
    module.add_function(wrap_pyfunction!(switches, module)?)?;
    module.add_function(wrap_pyfunction!(ctl, module)?)?;
    module.add_function(wrap_pyfunction!(exit::exit, module)?)?;
    module.add_function(wrap_pyfunction!(exit::note_fork, module)?)
}
