//! The list that goes with an export.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{LIST, unframed};
use crate::pages::fingerprint;
use crate::store::Format;

/// The only version of the list so far.
const VERSION: u32 = 1;

/// The length of a list in bytes, at most. An export has 32 MiB of text or less.
const LONGEST: u64 = 64 << 20;

/// The contents of an export, in the order in which folders list them.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct List {
    version: u32,
    entries: Vec<Listed>,
}

/// One file or folder of an export.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Listed {
    /// Its path in the export, with slashes between names on every system.
    pub(crate) name: String,
    /// Its path on the site.
    pub(crate) path: String,
    #[serde(flatten)]
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Kind {
    Markdown(Text),
    Html(Text),
    File,
    Folder,
}

/// The title of a text, and the fingerprint of its file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Text {
    pub(crate) title: String,
    /// Of the whole file.
    fingerprint: String,
}

impl Text {
    /// `text` is the whole file.
    pub(crate) fn new(title: &str, text: &str) -> Self {
        Self {
            title: title.to_owned(),
            fingerprint: fingerprint::of([text]),
        }
    }

    /// The body in `text`, if that is still the file that was exported.
    pub(crate) fn body(&self, text: &str, format: Format) -> Option<String> {
        (fingerprint::of([text]) == self.fingerprint)
            .then(|| unframed(text, &self.title, format))
            .flatten()
    }
}

impl List {
    pub(crate) fn new(entries: Vec<Listed>) -> Self {
        Self {
            version: VERSION,
            entries,
        }
    }

    /// The list in `folder`, if it has one.
    ///
    /// # Errors
    /// A description of the mistake in the list.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, String> {
        let wrong = |why: &dyn std::fmt::Display| {
            format!("{why}. It is imported as a plain folder, by the names of its files.")
        };
        let mut bytes = Vec::new();
        let read = File::open(folder.join(LIST))
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
        match read {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&format!("The list cannot be read: {error}"))),
            Ok(length) if length as u64 > LONGEST => return Err(wrong(&"The list is too long")),
            Ok(_) => {}
        }
        let list: Self = serde_json::from_slice(&bytes)
            .map_err(|error| wrong(&format!("The list is not that of an export: {error}")))?;
        if list.version != VERSION {
            let why = format!("The list has version {} instead of {VERSION}", list.version);
            return Err(wrong(&why));
        }
        Ok(Some(list))
    }

    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// The entries by name, and the position of each path.
    pub(crate) fn into_maps(self) -> (HashMap<String, Listed>, HashMap<String, usize>) {
        let order = self
            .entries
            .iter()
            .enumerate()
            .map(|(at, listed)| (listed.path.clone(), at));
        let order = order.collect();
        let names = self
            .entries
            .into_iter()
            .map(|listed| (listed.name.clone(), listed));
        (names.collect(), order)
    }
}
