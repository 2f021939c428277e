//! Reading rules files, with what they include.

use std::path::{Path, PathBuf};

use roxmltree::{Document, Node, ParsingOptions};

use super::files::Folders;
use super::selector::Written;
use super::version::Version;
use super::{
    ContentRule, DocumentId, Global, Inline, Place, Template, Test, TestId, ThemeFile, ThemeHtml,
    ThemeRule,
};
use crate::error::LoadError;
use crate::stamp::Stamp;
use crate::xpath::Variable;

const DIAZO: &str = "http://namespaces.plone.org/diazo";
const CSS: &str = "http://namespaces.plone.org/diazo/css";
const XINCLUDE: &str = "http://www.w3.org/2001/XInclude";
pub(super) const XSLT: &str = "http://www.w3.org/1999/XSL/Transform";
/// Before Diazo had its name. They mean the same, but for `nocontent`.
const DELIVERANCE: &str = "http://openplans.org/deliverance";
const XDV: &str = "http://namespaces.plone.org/xdv";
const OLD_CSS: [&str; 2] = [
    "http://namespaces.plone.org/xdv+css",
    "http://namespaces.plone.org/diazo+css",
];

const CONDITIONS: [&str; 6] = [
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

/// Files that include each other, `<rules>` in `<rules>`, and what one file may have.
const MAX_INCLUDES: usize = 16;
const MAX_NESTED: usize = 50;
const MAX_XML_NODES: u32 = 500_000;

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
    /// Everything that was read, as it was before.
    pub(crate) files: Vec<Stamp>,
    pub(crate) warnings: Vec<LoadError>,
    /// What was read, in its order.
    pub(crate) version: Version,
}

/// Reads a rules file. The error comes with the files that were read up to it: one of them is to be
/// mended.
pub(crate) fn read(
    path: &Path,
    theme: Option<&Path>,
    folders: Folders,
) -> Result<Rules, (LoadError, Vec<Stamp>)> {
    let mut reader = Reader {
        rules: Rules {
            modes: vec!["raw".to_owned()],
            ..Rules::default()
        },
        file: PathBuf::new(),
        folders,
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
        .file(path, None, 0)
        .and_then(|()| theme.map_or(Ok(()), |theme| reader.added_theme(theme)))
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
    including: Vec<PathBuf>,
    /// The number of reads, of whatever file.
    pub(super) reads: usize,
    /// Conditions of the `<rules>` around.
    pub(super) when: Vec<TestId>,
    /// Variables that are known here, the innermost last. Those of the rules come first.
    pub(super) names: Vec<(String, Variable)>,
    /// Places that the variables of the current rule or template need.
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

    fn file(
        &mut self,
        path: &Path,
        asked: Option<&LoadError>,
        nested: usize,
    ) -> Result<(), LoadError> {
        let text = self.text(path, asked)?;
        let options = ParsingOptions {
            allow_dtd: true,
            nodes_limit: MAX_XML_NODES,
            ..Default::default()
        };
        let document = Document::parse_with_options(&text, options).map_err(|error| {
            LoadError::new(
                path,
                Some(error.pos().row),
                format!("not well-formed XML: {error}"),
            )
        })?;
        let outer = std::mem::replace(&mut self.file, path.to_owned());
        self.including.push(path.to_owned());
        let root = document.root_element();
        if self.including.len() == 1 {
            self.declare_globals(root);
        }
        let result = if is_diazo(root) && root.tag_name().name() == "rules" {
            self.rules_element(root, nested)
        } else {
            Err(self.error(
                root,
                format!("a rules file begins with <rules xmlns=\"{DIAZO}\">"),
            ))
        };
        self.including.pop();
        self.file = outer;
        result
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
            let namespace = child.tag_name().namespace();
            let namespace = if is_diazo(child) {
                Some(DIAZO)
            } else {
                namespace
            };
            match (namespace, child.tag_name().name()) {
                (Some(DIAZO), "rules") => self.rules_element(child, nested + 1)?,
                (Some(DIAZO), "theme") => self.theme(child)?,
                (Some(DIAZO), "notheme") => {
                    self.check_attributes(child, &[])?;
                    let theme = ThemeFile {
                        place: self.place(child),
                        when: self.all_conditions(child)?,
                        html: None,
                    };
                    self.rules.themes.push(theme);
                }
                (Some(DIAZO), _) => self.rule(child)?,
                (Some(XINCLUDE), "include") => self.xinclude(child, nested)?,
                (Some(XSLT), _) if nested == 0 => self.toplevel(child)?,
                (Some(XSLT), name) => {
                    let what = format!(
                        "<xsl:{name}> is ignored here: move it directly under the root <rules>"
                    );
                    self.rules.warnings.push(self.error(child, what));
                }
                _ => {
                    self.refuse_foreign(child)?;
                    return Err(
                        self.error(child, format!("<{}> is no rule", child.tag_name().name()))
                    );
                }
            }
        }
        self.when.truncate(outer);
        Ok(())
    }

    /// Elements of XSLT or XInclude cannot be inside a rule.
    pub(super) fn refuse_foreign(&self, node: Node<'_, '_>) -> Result<(), LoadError> {
        match node.tag_name().namespace() {
            Some(XSLT) => Err(self.not_supported(node)),
            Some(XINCLUDE) => Err(self.error(
                node,
                "<xi:include> includes rules files, beside other rules only",
            )),
            _ => Ok(()),
        }
    }

    fn xinclude(&mut self, node: Node<'_, '_>, nested: usize) -> Result<(), LoadError> {
        let Some(href) = node.attribute("href") else {
            return Err(self.error(node, "<xi:include> needs an href"));
        };
        if node.attribute("parse").is_some_and(|parse| parse != "xml")
            || node.has_attribute("xpointer")
        {
            return Err(self.error(
                node,
                "<xi:include> includes whole rules files: no parse, no xpointer",
            ));
        }
        let path = self.beside(node, href)?;
        if self.including.contains(&path) {
            return Err(self.error(node, format!("{href} includes itself")));
        }
        if self.including.len() > MAX_INCLUDES {
            return Err(self.error(
                node,
                format!("more than {MAX_INCLUDES} files include each other"),
            ));
        }
        let fallback = node
            .children()
            .find(|child| child.tag_name().name() == "fallback");
        match fallback {
            Some(fallback) if !path.is_file() => self.rules_element(fallback, nested + 1),
            _ => self.file(&path, Some(&self.error(node, "")), nested + 1),
        }
    }

    fn theme(&mut self, node: Node<'_, '_>) -> Result<(), LoadError> {
        let Some(href) = node.attribute("href") else {
            return Err(self.error(
                node,
                "<theme> needs an href: HTML in the rules is not supported",
            ));
        };
        self.check_attributes(node, &["href", "prefix"])?;
        let file = self.beside(node, href)?;
        let source = self.text(&file, Some(&self.error(node, "")))?;
        let prefix = node.attribute("prefix").map(str::to_owned);
        let html = Some(ThemeHtml {
            file,
            source,
            prefix,
        });
        let theme = ThemeFile {
            place: self.place(node),
            when: self.all_conditions(node)?,
            html,
        };
        self.rules.themes.push(theme);
        Ok(())
    }

    /// A theme that the rules do not name.
    fn added_theme(&mut self, file: &Path) -> Result<(), LoadError> {
        let is_chosen = |theme: &ThemeFile| theme.html.is_some() && theme.when.is_empty();
        if self.rules.themes.iter().any(is_chosen) {
            return Ok(());
        }
        let source = self.text(file, None)?;
        let file = file.to_owned();
        self.rules.themes.push(ThemeFile {
            place: Place {
                file: file.clone(),
                line: 1,
            },
            when: Vec::new(),
            html: Some(ThemeHtml {
                file,
                source,
                prefix: None,
            }),
        });
        Ok(())
    }

    /// Conditions of an element and of what is around it.
    fn all_conditions(&mut self, node: Node<'_, '_>) -> Result<Vec<TestId>, LoadError> {
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

    /// Attributes that mean nothing here are most likely misspelt. One that would be something else
    /// as a selector is an error: without it the rule would be about more than it says.
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
