//! Reading rules files, with what they include.

use std::path::{Path, PathBuf};

use roxmltree::Node;

use super::files::Folders;
use super::include::{Included, is_xinclude};
use super::manifest::Manifest;
use super::selector::Written;
use super::version::Version;
use super::{
    ContentRule, DocumentId, EdgeIncludes, Global, Inline, Place, Template, Test, TestId,
    ThemeFile, ThemeRule,
};
use crate::error::LoadError;
use crate::stamp::Stamp;
use crate::xpath::Variable;

const DIAZO: &str = "http://namespaces.plone.org/diazo";
const CSS: &str = "http://namespaces.plone.org/diazo/css";
pub(super) const XINCLUDE: &str = "http://www.w3.org/2001/XInclude";
pub(super) const XSLT: &str = "http://www.w3.org/1999/XSL/Transform";
/// Namespaces from before Diazo had its name. They mean the same, except for `nocontent`.
const DELIVERANCE: &str = "http://openplans.org/deliverance";
const XDV: &str = "http://namespaces.plone.org/xdv";
const OLD_CSS: [&str; 2] = [
    "http://namespaces.plone.org/xdv+css",
    "http://namespaces.plone.org/diazo+css",
];

pub(super) const CONDITIONS: [&str; 6] = [
    "if",
    "if-not",
    "if-content",
    "if-not-content",
    "if-path",
    "if-not-path",
];
/// Attributes that may be written in CSS.
const SELECTORS: [&str; 8] = [
    "if",
    "if-not",
    "theme",
    "theme-children",
    "content",
    "content-children",
    "if-content",
    "if-not-content",
];

/// The maximum number of `<rules>` in `<rules>`.
const MAX_NESTED: usize = 50;

/// All that the rules files say.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) tests: Vec<Test>,
    /// The `href`s of documents that content comes from.
    pub(crate) documents: Vec<String>,
    pub(crate) themes: Vec<ThemeFile>,
    pub(crate) theme_rules: Vec<ThemeRule>,
    pub(crate) content_rules: Vec<ContentRule>,
    pub(crate) templates: Vec<Template<Vec<Inline>>>,
    pub(crate) globals: Vec<Global<Vec<Inline>>>,
    /// Names of modes; the first is `raw`.
    pub(crate) modes: Vec<String>,
    /// Documents that expressions ask for, whatever the conditions are.
    pub(crate) computed: Vec<DocumentId>,
    /// A rule writes `<esi:include>`.
    pub(crate) uses_esi: bool,
    pub(crate) manifest: Option<Manifest>,
    /// Everything as it was before the last read.
    pub(crate) files: Vec<Stamp>,
    pub(crate) warnings: Vec<LoadError>,
    /// The files that were read, in order.
    pub(crate) version: Version,
}

/// The program's settings for rules, besides their file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// A theme for pages for which the rules choose none.
    pub(crate) theme: Option<PathBuf>,
    pub(crate) folders: Folders,
    pub(crate) edge: EdgeIncludes,
    /// A `manifest.cfg` beside the rules may name others.
    pub(crate) has_manifest: bool,
    /// Names of parameters that have a value.
    pub(crate) parameters: Vec<String>,
}

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
        .and_then(|()| reader.check_globals());
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
    pub(super) including: Vec<PathBuf>,
    /// The number of reads of all files.
    pub(super) reads: usize,
    /// Conditions of the `<rules>` around.
    pub(super) when: Vec<TestId>,
    /// Variables that are known here, the innermost last. Those of the rules come first.
    pub(super) names: Vec<(String, Variable)>,
    /// The number of slots for the variables of the current rule or template.
    pub(super) slots: u32,
    pub(super) template_names: Vec<String>,
    /// Variables of the rules that the current one uses, and those that each uses.
    pub(super) uses: Vec<u32>,
    pub(super) global_uses: Vec<Vec<u32>>,
    pub(super) computed: Vec<DocumentId>,
}

pub(super) fn is_diazo(node: Node<'_, '_>) -> bool {
    matches!(node.tag_name().namespace(), Some(DIAZO | DELIVERANCE | XDV))
}

fn is_rules(node: Node<'_, '_>) -> bool {
    is_diazo(node) && node.tag_name().name() == "rules"
}

/// In Deliverance a rule without content did nothing, unless it said otherwise.
pub(super) fn needs_content(node: Node<'_, '_>) -> bool {
    node.tag_name().namespace() == Some(DELIVERANCE)
        && !node.has_attribute("if-content")
        && node.has_attribute("content")
        && node
            .attribute("nocontent")
            .is_none_or(|otherwise| otherwise == "theme")
}

fn is_css(namespace: Option<&str>) -> bool {
    namespace.is_some_and(|namespace| namespace == CSS || OLD_CSS.contains(&namespace))
}

/// An attribute of the namespace for CSS.
fn css_attribute<'n>(node: Node<'n, '_>, name: &str) -> Option<&'n str> {
    let mut all = node.attributes();
    let found = all.find(|known| is_css(known.namespace()) && known.name() == name);
    found.map(|attribute| attribute.value())
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

    /// The rules file: the one that the program names, unless a manifest names another.
    fn rules_beside_manifest(
        &mut self,
        path: &Path,
        settings: &Settings,
    ) -> Result<PathBuf, LoadError> {
        let folder = path.parent().filter(|_| settings.has_manifest);
        if let Some(folder) = folder {
            self.rules.manifest = self.manifest(folder, &settings.parameters)?;
        }
        let named = self.rules.manifest.as_ref();
        let named = named.and_then(|manifest| manifest.rules.clone());
        Ok(named.unwrap_or_else(|| path.to_owned()))
    }

    /// The file with the rules.
    fn rules_file(&mut self, path: &Path) -> Result<(), LoadError> {
        self.parsed(path, None, |reader, root| {
            if !is_rules(root) {
                let what = format!("a rules file begins with <rules xmlns=\"{DIAZO}\">");
                return Err(reader.error(root, what));
            }
            reader.declare_globals(root)?;
            reader.rules_element(root, 0)
        })
    }

    fn rules_element(&mut self, rules: Node<'_, '_>, nested: usize) -> Result<(), LoadError> {
        if nested > MAX_NESTED {
            return Err(self.error(
                rules,
                format!("more than {MAX_NESTED} <rules> in each other"),
            ));
        }
        self.check_attributes(rules, &[])?;
        let outer = self.when.len();
        let own = self.conditions(rules, None)?;
        self.when.extend(own);
        for child in rules.children().filter(Node::is_element) {
            self.child_of_rules(child, nested)?;
        }
        self.when.truncate(outer);
        Ok(())
    }

    /// A rule, a theme, or whatever else is in a `<rules>`.
    fn child_of_rules(&mut self, child: Node<'_, '_>, nested: usize) -> Result<(), LoadError> {
        let name = child.tag_name().name();
        if is_xinclude(child) {
            return self.included(child, |reader, included| match included {
                Included::Root(root) => reader.child_of_rules(root, nested),
                Included::Fallback(fallback) => fallback
                    .children()
                    .filter(Node::is_element)
                    .try_for_each(|child| reader.child_of_rules(child, nested)),
                Included::Text(_) => {
                    let what = "text between rules is ignored: include it in a rule";
                    reader.rules.warnings.push(reader.error(child, what));
                    Ok(())
                }
            });
        }
        if is_diazo(child) {
            return match name {
                "rules" => self.rules_element(child, nested + 1),
                "theme" => self.theme(child),
                "notheme" => self.notheme(child),
                _ => self.rule(child),
            };
        }
        match child.tag_name().namespace() {
            Some(XSLT) if nested == 0 => self.toplevel(child),
            Some(XSLT) => {
                let what = format!(
                    "<xsl:{name}> is ignored here: move it directly under the root <rules>"
                );
                self.rules.warnings.push(self.error(child, what));
                Ok(())
            }
            _ => Err(self.error(child, format!("<{name}> is no rule"))),
        }
    }

    /// Conditions of an element and of what is around it.
    pub(super) fn all_conditions(&mut self, node: Node<'_, '_>) -> Result<Vec<TestId>, LoadError> {
        let mut when = self.when.clone();
        when.extend(self.conditions(node, None)?);
        Ok(when)
    }

    /// A selector: `css:name` comes before `name`.
    pub(super) fn written(&self, node: Node<'_, '_>, name: &str) -> Option<Written> {
        let css = css_attribute(node, name);
        let text = css.or_else(|| node.attribute(name))?;
        Some(match css {
            Some(text) => Written::css(text, css_attribute(node, "prefix")),
            None => Written::xpath(text),
        })
    }

    /// Unknown attributes are most likely misspelt. If one looks like a selector, it is an error:
    /// without it the rule would apply to more than intended.
    pub(super) fn check_attributes(
        &mut self,
        node: Node<'_, '_>,
        known: &[&str],
    ) -> Result<(), LoadError> {
        for attribute in node.attributes() {
            let name = attribute.name();
            let is_css = is_css(attribute.namespace());
            let is_known = known.contains(&name) || CONDITIONS.contains(&name);
            if is_css && name == "prefix" {
                continue;
            }
            if is_css && is_known && !SELECTORS.contains(&name) {
                return Err(self.error(
                    node,
                    format!("{name} is no selector: write it without css:"),
                ));
            }
            if !is_known && (is_css || attribute.namespace().is_none()) {
                let what = format!(
                    "<{}> has no attribute {name}: it is ignored",
                    node.tag_name().name()
                );
                self.rules.warnings.push(self.error(node, what));
            }
        }
        Ok(())
    }
}
