//! The Python that has what a test needs.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the first `python3` in `PATH` that can import `module`, if there is one.
///
/// Debian's packages are for Debian's Python, which may not be the first.
pub fn python_with(module: &str) -> Option<PathBuf> {
    first_with(&env::var_os("PATH")?, module)
}

fn first_with(path: &OsStr, module: &str) -> Option<PathBuf> {
    let mut pythons = env::split_paths(path).map(|folder| folder.join("python3"));
    pythons.find(|python| has(python, module))
}

fn has(python: &Path, module: &str) -> bool {
    let import = format!("import {module}");
    let output = Command::new(python).args(["-c", &import]).output();
    output.is_ok_and(|output| output.status.success())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_python_without_the_module_does_not_hide_one_that_has_it() {
        let place = env::temp_dir().join(format!("euryale-test-python-{}", std::process::id()));
        let folders = ["none", "without", "with"].map(|name| place.join(name));
        for folder in &folders {
            fs::create_dir_all(folder).unwrap();
        }
        // They exit like a failed import and like a successful one.
        symlink("/bin/false", folders[1].join("python3")).unwrap();
        symlink("/bin/true", folders[2].join("python3")).unwrap();
        let all = env::join_paths(&folders).unwrap();
        let first = env::join_paths(&folders[..2]).unwrap();
        let found = [first_with(&all, "a.module"), first_with(&first, "a.module")];
        fs::remove_dir_all(&place).unwrap();
        assert_eq!(found, [Some(folders[2].join("python3")), None]);
    }
}
