//! The folders in which the files of a theme may be.

use std::path::{Path, PathBuf};

/// The folders from which a theme may be read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folders {
    /// The allowed folders. The first one is the folder of the rules file.
    pub(crate) allowed: Vec<PathBuf>,
    /// `++theme++NAME`, and its folder.
    pub(crate) mounted: Vec<(String, PathBuf)>,
}

impl Folders {
    pub(super) fn mounted(&self, name: &str) -> Option<&Path> {
        let found = self.mounted.iter().find(|(known, _)| known == name);
        found.map(|(_, folder)| folder.as_path())
    }

    /// Returns the first folder if a file is in none of the folders after symbolic links were
    /// followed. A missing file is not refused here, because it cannot be read anyway.
    pub(super) fn refuses(&self, file: &Path) -> Option<&Path> {
        let file = file.canonicalize().ok()?;
        let mounted = self.mounted.iter().map(|(_, folder)| folder);
        let mut all = self.allowed.iter().chain(mounted);
        let is_inside = |folder: &PathBuf| {
            folder
                .canonicalize()
                .is_ok_and(|folder| file.starts_with(folder))
        };
        if all.any(is_inside) {
            return None;
        }
        self.allowed.first().map(PathBuf::as_path)
    }
}

/// Removes `.` and `..` from a path, without accessing the file system.
pub(super) fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if parts.file_name().is_some() => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts
}
