//! `environ['euryale.page']`: what the stack does with a page when its worker is free.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use euryale::tiles::HasTiles;
use euryale_theme::{Loader, PageTheme, Parameter, ThemeParameters, ThemeSet};
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

use crate::answers::Asked;
use crate::start::Shared;
use crate::transforms::Choices;

/// The script that plone.protect puts at the end of a page's body.
const PROTECT: &str = "protect-script";

/// The page that is the answer of a call.
#[pyclass(frozen, module = "euryale", name = "Page")]
pub(crate) struct PyPage {
    choices: Choices,
    asked: Arc<Asked>,
    call: Shared,
}

impl PyPage {
    pub(crate) fn new(choices: &Choices, asked: &Arc<Asked>, call: &Shared) -> Self {
        Self {
            choices: choices.clone(),
            asked: Arc::clone(asked),
            call: call.clone(),
        }
    }

    fn set(&self) -> PyResult<&ThemeSet> {
        let themes = self.choices.themes.as_ref();
        themes.ok_or_else(|| PyRuntimeError::new_err("the setting `themes` is off"))
    }
}

#[pymethods]
impl PyPage {
    /// Whether pages may have themes.
    #[getter]
    fn has_themes(&self) -> bool {
        self.choices.themes.is_some()
    }

    /// Whether pages may have tiles.
    #[getter]
    fn has_tiles(&self) -> bool {
        self.choices.tiles
    }

    /// Puts the page into its layout, and its tiles into the page.
    fn compose(&self) -> PyResult<()> {
        if !self.choices.tiles {
            let off = "the setting `tiles` names no path for tiles";
            return Err(PyRuntimeError::new_err(off));
        }
        self.call.exchange()?.keep_whole();
        self.asked.mark(HasTiles);
        Ok(())
    }

    /// Themes the page with the theme of this key. The parameters are strings, numbers, booleans
    /// and `None`. Returns `False` if the server does not have the theme: add it then.
    fn theme(&self, key: &str, parameters: &Bound<'_, PyDict>) -> PyResult<bool> {
        let themes = self.set()?;
        // The theme needs the whole page.
        self.call.exchange()?.keep_whole();
        let mut given = ThemeParameters::new();
        for (name, value) in parameters {
            given = given.set(name.extract::<String>()?, parameter(&value)?);
        }
        let Some(theme) = themes.find(key) else {
            return Ok(false);
        };
        self.asked.mark(PageTheme::new(theme).keep_script(PROTECT));
        self.asked.mark(given);
        Ok(true)
    }

    /// Adds a theme. `folders` are the folders of `++theme++NAME`, and `texts` are files that are
    /// not on the disk, by their paths. If the rules have errors, the log says so once, and pages
    /// are sent unthemed.
    #[expect(clippy::too_many_arguments, reason = "Python has keywords")]
    #[pyo3(signature = (key, rules, *, prefix = None, doctype = None, folders, texts))]
    fn add_theme(
        &self,
        py: Python<'_>,
        key: &str,
        rules: PathBuf,
        prefix: Option<String>,
        doctype: Option<String>,
        folders: HashMap<String, PathBuf>,
        texts: HashMap<PathBuf, String>,
    ) -> PyResult<()> {
        let themes = self.set()?;
        let mut loader = Loader::new(rules);
        if let Some(prefix) = prefix {
            loader = loader.prefix(prefix);
        }
        if let Some(doctype) = doctype {
            loader = loader.doctype(doctype);
        }
        for (name, folder) in folders {
            loader = loader.mount(name, folder);
        }
        for (file, text) in texts {
            loader = loader.text(file, text);
        }
        py.detach(|| themes.load(key, loader));
        Ok(())
    }
}

fn parameter(value: &Bound<'_, PyAny>) -> PyResult<Parameter> {
    if value.is_none() {
        return Ok(Parameter::Nothing);
    }
    // In Python, booleans are numbers.
    if let Ok(truth) = value.cast::<PyBool>() {
        return Ok(truth.is_true().into());
    }
    if value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>() {
        return Ok(value.extract::<f64>()?.into());
    }
    if let Ok(text) = value.cast::<PyString>() {
        return Ok(text.to_str()?.into());
    }
    let kind = value.get_type().name()?;
    let wrong = format!("a parameter is a string, a number, a boolean or None, and not {kind}");
    Err(PyTypeError::new_err(wrong))
}
