//! The original Diazo, from PyPI.

use std::path::PathBuf;
use std::process::Command;

use euryale_test::python_with;

/// Returns a Python that has Diazo: that of the measurements, or the system's.
pub(crate) fn python() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let venv = cache.map(|cache| cache.join("euryale-bench/diazo/bin/python"));
    let has_diazo = |python: &PathBuf| {
        let output = Command::new(python)
            .args(["-c", "import diazo.compiler"])
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    venv.filter(has_diazo)
        .or_else(|| python_with("diazo.compiler"))
}
