//! A compiled theme.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::apply::{self, Explanation};
use crate::compile::{Program, When};
use crate::context::{Context, Parameter};
use crate::dom::{Dom, ROOT};
use crate::error::{LoadError, Message, PageError};
use crate::rules;
use crate::stamp::Stamp;
use crate::xpath::{Budget, Item, OneDocument, Scope};

/// The maximum number of steps of all conditions that decide which documents a page needs. They are
/// evaluated before the page is available, on the caller's thread.
const DOCUMENTS_BUDGET: u64 = 1_000_000;

/// Compiled rules and themes, which can be applied to pages. A theme never changes, and is cheap to
/// share.
///
/// ```
/// use euryale_diazo::{Context, Theme};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let file = folder.path().join("rules.xml");
/// # std::fs::write(folder.path().join("index.html"), "<title></title><main></main>")?;
/// # std::fs::write(&file, r#"<rules xmlns="http://namespaces.plone.org/diazo"
/// #   xmlns:css="http://namespaces.plone.org/diazo/css"><theme href="index.html"/>
/// #   <replace css:theme-children="main" css:content-children="body"/></rules>"#)?;
/// let theme = Theme::load(&file)?;
/// let page = theme.apply("<body><p>Hello</p></body>", &Context::new("/"))?;
/// assert!(page.contains("<main><p>Hello</p></main>"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Theme {
    program: Program,
    files: Vec<PathBuf>,
    version: String,
    warnings: Vec<LoadError>,
}

impl Theme {
    /// Reads and compiles a rules file with everything that it includes, without a prefix. This
    /// reads files, so do not call it on a runtime thread.
    ///
    /// # Errors
    /// The first error, with its file and line.
    pub fn load(rules: impl AsRef<Path>) -> Result<Self, LoadError> {
        Loader::new(rules.as_ref()).load()
    }

    /// Themes a page: HTML in, HTML out. A page that is not changed because of `<notheme>` is
    /// borrowed.
    ///
    /// This only computes and never waits, for about 0.06 ms for a page of 60 KB. Invalid HTML is
    /// never refused, but read like in browsers.
    ///
    /// # Errors
    /// The page exceeds one of the limits. Serve it unthemed.
    pub fn apply<'c>(
        &self,
        content: &'c str,
        context: &Context<'_>,
    ) -> Result<Cow<'c, str>, PageError> {
        self.apply_logged(content, context, &mut |_| {})
    }

    /// Like [`apply`](Self::apply), and calls `log` with each message of the rules, at most 100 for
    /// a page.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply), after the messages.
    pub fn apply_logged<'c>(
        &self,
        content: &'c str,
        context: &Context<'_>,
        log: &mut dyn FnMut(Message<'_>),
    ) -> Result<Cow<'c, str>, PageError> {
        apply::apply(&self.program, content, context, log)
    }

    /// Explains what each rule does to a page: which nodes it puts where, or why it has no effect,
    /// and how often each instruction runs. The explanations are in the order of the files and
    /// their lines, and are meant for authors of rules.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply).
    pub fn explain(
        &self,
        content: &str,
        context: &Context<'_>,
    ) -> Result<Vec<Explanation>, PageError> {
        apply::explain(&self.program, content, context)
    }

    /// Returns the `href`s of documents from which rules may take content for such a page: fetch
    /// them, and add them to the [`Context`]. Rules whose conditions on path and parameters do not
    /// hold need none. The page itself is not considered yet.
    pub fn documents<'t>(&'t self, context: &'t Context<'_>) -> impl Iterator<Item = &'t str> {
        let no_page = LazyCell::new(|| Dom::parse("").ok());
        let budget = Budget::new(DOCUMENTS_BUDGET);
        let documents = self.program.documents.iter();
        let needed = documents.filter(move |(_, uses)| {
            let may_hold = |when: &When| self.may_hold(when, context, no_page.as_ref(), &budget);
            uses.iter().any(may_hold)
        });
        needed.map(|(href, _)| href.as_str())
    }

    /// Returns whether all of these conditions may hold for the page. Conditions about the page
    /// itself may, and so may those that exceed the budget.
    fn may_hold(
        &self,
        when: &When,
        context: &Context<'_>,
        no_page: Option<&Dom<'_>>,
        budget: &Budget,
    ) -> bool {
        when.iter().all(|id| {
            let test = &self.program.tests[*id as usize];
            let Some(expr) = test.expr() else {
                return test.of_path(context.path()).unwrap_or(true);
            };
            let Some(dom) = no_page.filter(|_| !expr.needs_page()) else {
                return true;
            };
            let world = OneDocument {
                dom,
                parameters: |name: &str| self.program.value(context, name),
            };
            Scope::new(&world, budget, Item::new(0, ROOT))
                .is_true(expr)
                .map_or(true, |is| is == test.wanted)
        })
    }

    /// Returns all files from which the theme was made.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Returns a number that changes with all input: the texts of its files, the prefix, the
    /// parameters, the theme's name in `++theme++NAME`, and the release of this crate. It is the
    /// same in each process and each build, wherever the files are, except that a theme whose
    /// manifest has no address with its name is named after its folder.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns probable mistakes that do not prevent compilation: rules that match nothing in any
    /// theme, and unknown attributes.
    pub fn warnings(&self) -> &[LoadError] {
        &self.warnings
    }
}

/// Loads a theme: its source and its settings.
#[derive(Clone, Debug)]
#[must_use]
pub struct Loader {
    rules: PathBuf,
    settings: rules::Settings,
    prefix: Option<String>,
    parameters: Vec<(String, Parameter)>,
}

impl Loader {
    /// Loads from a folder with a theme in Plone's layout. If there is a `manifest.cfg`, it names
    /// the file with the rules, and may set a `prefix`, a `doctype` in place of the theme's, and
    /// `production-css`, to which the head of themed pages gets links. Otherwise the rules are in
    /// `rules.xml`.
    ///
    /// The folder has the address `++theme++NAME/` in the rules, and with a
    /// [`prefix`](Self::prefix) also in `href`s of the theme's HTML: its files are found below that
    /// prefix. A parameter of the manifest that plone.app.theming does not compute for every page
    /// needs a value ([`parameter`](Self::parameter)), because its TALES expression needs Plone.
    pub fn from_folder(folder: impl AsRef<Path>) -> Self {
        let mut loader = Self::new(folder.as_ref().join("rules.xml"));
        loader.settings.has_manifest = true;
        loader
    }

    /// Loads from this rules file.
    pub fn new(rules: impl Into<PathBuf>) -> Self {
        Self {
            rules: rules.into(),
            settings: rules::Settings::default(),
            parameters: Vec::new(),
            prefix: None,
        }
    }

    /// Sets the theme for pages for which the rules choose none. It corresponds to the theme that
    /// Diazo's caller passes for rules without a `<theme>`.
    pub fn theme(mut self, html: impl Into<PathBuf>) -> Self {
        self.settings.theme = Some(html.into());
        self
    }

    /// Lets the theme also be read from another folder. By default the rules file and all files
    /// that it names must be in one folder; a file outside it, by `..` or by a symbolic link, is an
    /// error.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.folders.allowed.push(folder.into());
        self
    }

    /// Gives a folder the address `++theme++NAME/` in `href`s of the rules, as in Plone.
    pub fn mount(mut self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        let mounted = (name.into(), folder.into());
        self.settings.folders.mounted.push(mounted);
        self
    }

    /// Resolves relative addresses in the theme's HTML (`src`, `href`, `srcset`, `@import`,
    /// conditional comments) against this path, so that the theme can be viewed as a file and
    /// served from anywhere. A `prefix` of `<theme>` is relative to it.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Gives a file this text: the file is not read from the disk, and need not exist there. Use it
    /// for a theme that is kept in a database: give its files paths in one invented folder, and
    /// [mount](Self::mount) that folder. Paths are compared as they are after `.` and `..` are
    /// removed.
    pub fn text(mut self, file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.settings.texts).insert(file.into(), text.into());
        self
    }

    /// Sets the doctype of themed pages, such as `<!DOCTYPE html>`, in place of the theme's.
    pub fn doctype(mut self, doctype: impl Into<String>) -> Self {
        self.settings.doctype = Some(doctype.into());
        self
    }

    /// Gives `$name` a value in all pages that do not set it themselves.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Parameter>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Declares that a cache in front of the program runs server-side includes, which rules with
    /// `method="ssi"` or `"ssiwait"` write. Without it, such rules are errors.
    ///
    /// Such a cache runs the includes of the pages' own comments as well: their authors have to be
    /// trusted, or the pages cleaned.
    pub fn ssi(mut self) -> Self {
        self.settings.edge.ssi = true;
        self
    }

    /// Declares that a cache in front of the program runs edge-side includes, which rules with
    /// `method="esi"` write. Without it, such rules are errors. As for [`ssi`](Self::ssi), such a
    /// cache also runs the includes in the pages themselves.
    pub fn esi(mut self) -> Self {
        self.settings.edge.esi = true;
        self
    }

    /// Returns the path of the rules file.
    pub fn rules(&self) -> &Path {
        &self.rules
    }

    /// Reads and compiles the theme. This reads files, so do not call it on a runtime thread.
    ///
    /// # Errors
    /// The first error, with its file and line.
    pub fn load(&self) -> Result<Theme, LoadError> {
        self.load_with_stamps().0
    }

    /// Reads and compiles the theme, and also returns the stamps of the files that were read; after
    /// an error, of those up to it. Once a stamp no longer holds, load again. This reads files, so
    /// do not call it on a runtime thread.
    pub fn load_with_stamps(&self) -> (Result<Theme, LoadError>, Vec<Stamp>) {
        let mut settings = self.settings.clone();
        let folders = &mut settings.folders;
        let own = match self.rules.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        folders.allowed.insert(0, own);
        if let Some(folder) = self.settings.theme.as_deref().and_then(Path::parent) {
            folders.allowed.push(folder.to_owned());
        }
        let names = self.parameters.iter().map(|(name, _)| name.clone());
        settings.parameters = names.collect();
        let mut rules = match rules::read(&self.rules, &settings) {
            Ok(rules) => rules,
            Err((error, stamps)) => return (Err(error), stamps),
        };
        let stamps = std::mem::take(&mut rules.files);
        let mut version = std::mem::take(&mut rules.version);
        version.add(self.prefix.as_deref().unwrap_or_default());
        for (name, value) in &self.parameters {
            version.add(&format!("{name}={value:?}"));
        }
        version.add(env!("CARGO_PKG_VERSION"));
        let compiled = Program::new(rules, self.prefix.as_deref());
        let theme = compiled.map(|(mut program, warnings)| {
            program.parameters.clone_from(&self.parameters);
            Theme {
                program,
                files: stamps.iter().map(|stamp| stamp.file().to_owned()).collect(),
                version: version.to_string(),
                warnings,
            }
        });
        (theme, stamps)
    }
}
