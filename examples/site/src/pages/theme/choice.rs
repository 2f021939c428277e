//! The site's choice of a theme.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::embedded::{self, Embedded};
use crate::cli::error::StartError;

/// A folder with one of these is a theme.
const BEGINS_WITH: [&str; 2] = ["manifest.cfg", "rules.xml"];

/// The site's choice of a theme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    None,
    Embedded(&'static Embedded),
    Folder(PathBuf),
}

impl FromStr for Choice {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match (text, embedded::find(text)) {
            ("", _) => Err("write the name of a theme, or a folder"),
            ("none", _) => Ok(Self::None),
            (_, Some(theme)) => Ok(Self::Embedded(theme)),
            _ => Ok(Self::Folder(text.into())),
        }
    }
}

impl Choice {
    /// Returns whether there is such a theme, without reading it.
    pub(super) fn check(&self) -> Result<(), StartError> {
        let Self::Folder(folder) = self else {
            return Ok(());
        };
        if BEGINS_WITH.iter().any(|name| folder.join(name).is_file()) {
            return Ok(());
        }
        let names = embedded::names();
        let remedy = format!("name a folder with a rules.xml or a manifest.cfg, or {names}");
        let what = if folder.is_dir() {
            "the folder has no theme"
        } else {
            "there is no such theme"
        };
        Err(StartError::new(what, folder.display(), remedy))
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Embedded(theme) => f.write_str(theme.name),
            Self::Folder(folder) => folder.display().fmt(f),
        }
    }
}
