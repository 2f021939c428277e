//! The limits of forms.

use std::fmt;

use euryale_core::Error;

use crate::{BODY_TOO_LARGE, MALFORMED};

/// The limits of a form. A form that exceeds one is answered 413 with a message that names the
/// limit.
///
/// The form as a whole is also subject to the limit for bodies.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct FormLimits {
    pub(crate) fields: usize,
    pub(crate) files: usize,
    pub(crate) text: usize,
    pub(crate) file: u64,
}

impl FormLimits {
    /// Allows 1,024 fields, 64 of them files, and 1 MiB of text; a file may be as large as a body.
    pub fn new() -> Self {
        Self {
            fields: 1024,
            files: 64,
            text: 1 << 20,
            file: u64::MAX,
        }
    }

    /// The maximum number of fields, files included. Default: 1,024, as in Zope.
    pub fn fields(mut self, most: usize) -> Self {
        self.fields = most;
        self
    }

    /// The maximum number of files. Each may need a descriptor. Default: 64.
    pub fn files(mut self, most: usize) -> Self {
        self.files = most;
        self
    }

    /// The maximum length of all names and texts together, in bytes. They are kept in memory. The
    /// encoded body of a form without files may be four times as long. Default: 1 MiB, as in Zope.
    pub fn text(mut self, bytes: usize) -> Self {
        self.text = bytes;
        self
    }

    /// The maximum length of each file, in bytes. Default: the limit for bodies.
    pub fn file(mut self, bytes: u64) -> Self {
        self.file = bytes;
        self
    }
}

impl Default for FormLimits {
    fn default() -> Self {
        Self::new()
    }
}

pub(super) const FIELDS: &str = "The form has too many fields";
pub(super) const TEXT: &str = "The form has too many bytes of text";
pub(super) const FILES: &str = "The form has too many files";
pub(super) const FILE: &str = "A file of the form has too many bytes";
pub(super) const HEAD: &str = "The head of a part of the form has too many bytes";
pub(super) const NO_UTF8: &str = "The form is no UTF-8.";

/// Returns the error for a form that exceeds one of its limits.
pub(super) fn too_large(what: impl fmt::Display, limit: impl fmt::Display) -> Error {
    let told = format!("{what}: {limit} is the limit.");
    Error::with_source(BODY_TOO_LARGE, told.clone()).telling(told)
}

/// Returns the error for a body that is not a form.
pub(super) fn malformed(what: &'static str) -> Error {
    Error::with_source(MALFORMED, what).telling(what)
}
