//! Reads a theme's rules, from the first file to the last check.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use roxmltree::Node;

use super::folders::Folders;
use super::manifest::Manifest;
use super::version::Version;
use super::{
    ContentRule, DocumentId, EdgeIncludes, Global, Inline, Place, Template, Test, TestId,
    ThemeFile, ThemeRule,
};
use crate::error::LoadError;
use crate::stamp::Stamp;
use crate::xpath::Variable;

/// The contents of the rules files.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) tests: Vec<Test>,
    /// The `href`s of documents from which content is taken.
    pub(crate) documents: Vec<String>,
    pub(crate) themes: Vec<ThemeFile>,
    pub(crate) theme_rules: Vec<ThemeRule>,
    pub(crate) content_rules: Vec<ContentRule>,
    pub(crate) templates: Vec<Template<Vec<Inline>>>,
    pub(crate) globals: Vec<Global<Vec<Inline>>>,
    /// The names of modes; the first is `raw`.
    pub(crate) modes: Vec<String>,
    /// Documents that expressions need, regardless of conditions.
    pub(crate) computed: Vec<DocumentId>,
    /// Whether a rule writes `<esi:include>`.
    pub(crate) uses_esi: bool,
    pub(crate) manifest: Option<Manifest>,
    /// The stamps of all files from before they were last read.
    pub(crate) files: Vec<Stamp>,
    pub(crate) warnings: Vec<LoadError>,
    /// The version, which depends on the files that were read and their order.
    pub(crate) version: Version,
}

/// The program's settings for rules, besides their file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// A theme for pages for which the rules choose none.
    pub(crate) theme: Option<PathBuf>,
    pub(crate) folders: Folders,
    pub(crate) edge: EdgeIncludes,
    /// The texts of files that are not read from the disk.
    pub(crate) texts: Texts,
    /// The doctype of themed pages, in place of the theme's.
    pub(crate) doctype: Option<String>,
    /// Whether a `manifest.cfg` beside the rules may name another rules file.
    pub(crate) has_manifest: bool,
    /// Names of parameters that have a value.
    pub(crate) parameters: Vec<String>,
}

/// Texts of files by their paths.
pub(crate) type Texts = Arc<HashMap<PathBuf, String>>;

/// Reads a rules file. An error is returned with the files that were read before it, one of which
/// has to be corrected.
pub(crate) fn read(path: &Path, settings: &Settings) -> Result<Rules, (LoadError, Vec<Stamp>)> {
    let mut reader = Reader {
        rules: Rules {
            modes: vec!["raw".to_owned()],
            ..Rules::default()
        },
        file: PathBuf::new(),
        folders: settings.folders.clone(),
        edge: settings.edge,
        texts: Arc::clone(&settings.texts),
        including: Vec::new(),
        reads: 0,
        when: Vec::new(),
        names: Vec::new(),
        slots: 0,
        template_names: Vec::new(),
        uses: Vec::new(),
        global_uses: Vec::new(),
        computed: Vec::new(),
    };
    let read = reader
        .rules_beside_manifest(path, settings)
        .and_then(|path| reader.rules_file(&path))
        .and_then(|()| {
            let theme = settings.theme.as_deref();
            theme.map_or(Ok(()), |theme| reader.added_theme(theme))
        })
        .and_then(|()| reader.check_globals())
        .and_then(|()| reader.set_doctype(path, settings.doctype.as_deref()));
    match read {
        Ok(()) => {
            reader.rules.computed = reader.computed;
            Ok(reader.rules)
        }
        Err(error) => Err((error, reader.rules.files)),
    }
}

pub(super) struct Reader {
    pub(super) rules: Rules,
    pub(super) file: PathBuf,
    pub(super) folders: Folders,
    pub(super) edge: EdgeIncludes,
    pub(super) texts: Texts,
    pub(super) including: Vec<PathBuf>,
    /// The number of reads so far.
    pub(super) reads: usize,
    /// The conditions of the enclosing `<rules>`.
    pub(super) when: Vec<TestId>,
    /// The visible variables, the innermost last. Those of the rules are first.
    pub(super) names: Vec<(String, Variable)>,
    /// The number of slots for the variables of the current rule or template.
    pub(super) slots: u32,
    pub(super) template_names: Vec<String>,
    /// Variables of the rules that the current one uses, and those that each uses.
    pub(super) uses: Vec<u32>,
    pub(super) global_uses: Vec<Vec<u32>>,
    pub(super) computed: Vec<DocumentId>,
}

impl Reader {
    pub(super) fn place(&self, node: Node<'_, '_>) -> Place {
        let line = node.document().text_pos_at(node.range().start).row;
        Place {
            file: self.file.clone(),
            line,
        }
    }

    pub(super) fn error(&self, node: Node<'_, '_>, what: impl Into<String>) -> LoadError {
        LoadError::new(&self.file, Some(self.place(node).line), what)
    }
}
