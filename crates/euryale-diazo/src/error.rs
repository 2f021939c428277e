//! The errors of themes and of pages.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::rules::Place;

/// A theme could not be compiled. The message is one line: what is wrong, where, and what to do.
#[derive(Clone, Debug)]
pub struct LoadError {
    file: PathBuf,
    line: Option<u32>,
    what: String,
}

impl LoadError {
    pub(crate) fn new(file: &Path, line: Option<u32>, what: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line,
            what: what.into(),
        }
    }

    /// Returns the file that contains the error.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Returns the line in that file, from 1, or `None` if the error concerns the file as a whole.
    pub fn line(&self) -> Option<u32> {
        self.line
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", self.what)
    }
}

impl Error for LoadError {}

/// A page could not be themed. The page itself is intact, so serve it unthemed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// More than 512 elements are nested.
    TooDeep,
    /// The page has more than two million nodes and attributes.
    TooLarge,
    /// The rules examine too many nodes of this page.
    TooMuchWork,
    /// The themed page would be larger than the limit.
    TooLong,
    /// More than 600 templates and copies are nested, or they need more than 1.25 MiB of the stack.
    TooNested,
    /// The rules have ended the page by `<xsl:message terminate="yes">`.
    Terminated,
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooDeep => "more than 512 elements in each other",
            Self::TooLarge => "the page has more than two million nodes",
            Self::TooMuchWork => "the rules look at too many nodes of this page",
            Self::TooLong => "the themed page would be too long",
            Self::TooNested => {
                "too many templates and copies are nested in each other: end the recursion in the \
                 rules"
            }
            Self::Terminated => "the rules ended it, with <xsl:message terminate=\"yes\">",
        })
    }
}

impl Error for PageError {}

/// A message of a rule about a page: `<xsl:message>`.
#[derive(Clone, Copy, Debug)]
pub struct Message<'m> {
    pub(crate) place: &'m Place,
    pub(crate) text: &'m str,
}

impl Message<'_> {
    /// Returns the path of the rules file.
    pub fn file(&self) -> &Path {
        &self.place.file
    }

    /// Returns the line in that file, from 1.
    pub fn line(&self) -> u32 {
        self.place.line
    }

    /// Returns the text, up to 1,000 characters.
    pub fn text(&self) -> &str {
        self.text
    }
}
