//! Turns an element of a rules file into a rule.

use roxmltree::Node;

use super::Rank;
use super::condition::{About, PathPattern, Test};
use super::edge::is_edge;
use super::namespace::needs_content;
use super::reader::Reader;
use super::selector::{Written, children_of, from_top, patterns};
use super::{
    Action, ContentRule, ContentTarget, DEFAULT_MODE, Inline, Names, RAW_MODE, Source, TestId,
    ThemeRule, What,
};
use crate::address;
use crate::error::LoadError;
use crate::xpath::{Expr, has_words};

/// The names of the elements that are rules.
pub(super) const RULES: [&str; 9] = [
    "replace", "before", "after", "drop", "strip", "merge", "copy", "prepend", "append",
];

/// Attributes of rules, besides conditions.
pub(super) const KNOWN: [&str; 9] = [
    "theme",
    "theme-children",
    "content",
    "content-children",
    "attributes",
    "separator",
    "href",
    "method",
    "mode",
];

impl Reader {
    pub(super) fn rule(&mut self, node: Node<'_, '_>) -> Result<(), LoadError> {
        let name = node.tag_name().name();
        if !RULES.contains(&name) {
            return Err(self.error(
                node,
                format!("<{name}> is no rule: there are {}", RULES.join(", ")),
            ));
        }
        self.check_attributes(node, &KNOWN)?;
        let theme = self.written(node, "theme");
        let theme_children = self.written(node, "theme-children");
        let content = self.written(node, "content");
        let content_children = self.written(node, "content-children");
        if theme.is_some() && theme_children.is_some() {
            return Err(self.error(node, "theme and theme-children: take one of them"));
        }
        let mut when = self.when.clone();
        when.extend(self.conditions(node, content.as_ref().or(content_children.as_ref()))?);
        let Some(target) = theme.as_ref().or(theme_children.as_ref()) else {
            return self.content_rule(node, content, content_children, when);
        };
        let has_content = content.is_some() || content_children.is_some();
        if has_content && matches!(name, "drop" | "strip") {
            return Err(self.error(
                node,
                format!("theme and content: <{name}> takes one of them"),
            ));
        }
        let names = node.attribute("attributes").map(Names::parse);
        let action = match (name, theme_children.is_some(), names.is_some()) {
            ("copy", false, true) => Action::CopyAttributes,
            ("merge", false, true) => Action::MergeAttributes,
            ("drop", false, true) => Action::DropAttributes,
            (_, _, true) => {
                return Err(self.error(
                    node,
                    "attributes belong in <copy>, <merge> and <drop>, with theme",
                ));
            }
            ("merge", _, false) => return Err(self.error(node, "<merge> needs attributes")),
            ("before", true, _) | ("prepend", false, _) => Action::Prepend,
            ("after", true, _) | ("append", false, _) => Action::Append,
            ("replace" | "drop", true, _) | ("copy", false, _) => Action::Copy,
            ("before", false, _) => Action::Before,
            ("after", false, _) => Action::After,
            ("replace", false, _) => Action::Replace,
            ("drop", false, _) => Action::Drop,
            ("strip", false, _) => Action::Strip,
            _ => return Err(self.error(node, format!("theme-children is not allowed in <{name}>"))),
        };
        if !target.css && !has_words(&target.text) {
            // This is only a warning, as in Diazo, which evaluates the selector while it compiles
            // and never treats it as an error.
            let what = format!(
                "the selector \"{}\" is not understood (a quote is not closed): the rule is about \
                 nothing",
                target.text
            );
            self.rules.warnings.push(self.error(node, what));
            return Ok(());
        }
        let theme = self.nodes(node, &target.clone())?;
        let what = match name {
            "drop" | "strip" => What::Inline(Vec::new()),
            _ if has_content || node.has_attribute("href") => {
                if node.children().any(|child| child.is_element()) {
                    return Err(self.error(
                        node,
                        "content and HTML of its own: a rule takes one of them",
                    ));
                }
                let edge = self.edge_include(node, content.as_ref(), content_children.as_ref())?;
                match edge {
                    Some(html) => What::Inline(vec![Inline::Html(html)]),
                    None => What::Select(self.source(node, content, content_children)?),
                }
            }
            _ if names.is_some() => {
                return Err(self.error(node, "attributes come from content, which is missing"));
            }
            _ => What::Inline(self.inline(node)?),
        };
        let separator = node.attribute("separator").unwrap_or(" ").to_owned();
        let place = self.place(node);
        let names = names.unwrap_or_default();
        self.rules.theme_rules.push(ThemeRule {
            action,
            place,
            when,
            theme,
            what,
            names,
            separator,
        });
        Ok(())
    }

    fn source(
        &mut self,
        node: Node<'_, '_>,
        content: Option<Written>,
        content_children: Option<Written>,
    ) -> Result<Source, LoadError> {
        let (written, children) = match (content_children, content) {
            (Some(written), _) => (written, true),
            (None, Some(written)) => (written, false),
            (None, None) => {
                return Err(self.error(
                    node,
                    "href needs content: say what of that document is meant",
                ));
            }
        };
        let mut select = self.nodes(node, &written)?;
        if children {
            select = children_of(select);
        }
        let mode = node.attribute("mode").map(|mode| self.mode(mode));
        let method = node.attribute("method");
        let document = match node.attribute("href") {
            None => None,
            Some(href) => {
                select = from_top(select);
                Some(self.site_document(node, href)?)
            }
        };
        let mode = match (method, document) {
            (Some("raw"), _) => RAW_MODE,
            (Some("document") | None, Some(_)) => mode.unwrap_or(RAW_MODE),
            (Some("transform"), Some(_)) => DEFAULT_MODE,
            (None | Some("document" | "transform"), None) => mode.unwrap_or(DEFAULT_MODE),
            (Some(other), _) => {
                let what = format!(
                    "method=\"{other}\" is not supported: it is raw, document, transform, ssi, \
                     ssiwait or esi"
                );
                return Err(self.error(node, what));
            }
        };
        Ok(Source {
            select,
            document,
            mode,
        })
    }

    /// Reads an expression that selects nodes.
    pub(super) fn nodes(
        &mut self,
        node: Node<'_, '_>,
        written: &Written,
    ) -> Result<Expr, LoadError> {
        let expr = self.compiled(node, written)?;
        if expr.selects() {
            Ok(expr)
        } else {
            Err(self.error(node, format!("\"{}\" selects no nodes", written.text)))
        }
    }

    /// Returns the document of this site from which rules take content.
    pub(super) fn site_document(
        &mut self,
        node: Node<'_, '_>,
        href: &str,
    ) -> Result<u32, LoadError> {
        if address::is_of_this_site(href) {
            return Ok(self.document(href));
        }
        let what = format!("{href} is elsewhere: content comes from this site only");
        Err(self.error(node, what))
    }

    fn document(&mut self, href: &str) -> u32 {
        let documents = &mut self.rules.documents;
        let known = documents.iter().position(|known| known == href);
        let index = known.unwrap_or_else(|| {
            documents.push(href.to_owned());
            documents.len() - 1
        });
        index as u32
    }

    /// Reads an `<include>` in the HTML of a rule.
    pub(super) fn include(&mut self, node: Node<'_, '_>) -> Result<Inline, LoadError> {
        self.check_attributes(node, &KNOWN)?;
        let (content, children) = (
            self.written(node, "content"),
            self.written(node, "content-children"),
        );
        if content.is_none() && children.is_none() && !is_edge(node.attribute("method")) {
            return Err(self.error(node, "<include> needs content"));
        }
        let when = self.conditions(node, content.as_ref().or(children.as_ref()))?;
        if let Some(html) = self.edge_include(node, content.as_ref(), children.as_ref())? {
            return Ok(Inline::Edge { html, when });
        }
        let source = self.source(node, content, children)?;
        Ok(Inline::Include { source, when })
    }

    fn content_rule(
        &mut self,
        node: Node<'_, '_>,
        content: Option<Written>,
        content_children: Option<Written>,
        when: Vec<TestId>,
    ) -> Result<(), LoadError> {
        let name = node.tag_name().name();
        let children = content_children.is_some();
        let Some(written) = content_children.or(content) else {
            return Err(self.error(node, format!("<{name}> needs theme or content")));
        };
        if node.has_attribute("href") {
            return Err(self.error(
                node,
                "href needs theme; in the content, write <include href=\"…\"/>",
            ));
        }
        let mut select = self.nodes(node, &written)?;
        let target = match (name, node.attribute("attributes")) {
            ("drop", Some(names)) => ContentTarget::DropAttributes(Names::parse(names)),
            (_, Some(_)) => {
                return Err(self.error(node, format!("attributes in <{name}> need theme")));
            }
            ("drop", None) => ContentTarget::Drop,
            ("strip", None) => ContentTarget::Strip,
            ("before", None) => ContentTarget::Before {
                children,
                inline: self.content_inline(node)?,
            },
            ("after", None) => ContentTarget::After {
                children,
                inline: self.content_inline(node)?,
            },
            ("replace", None) => ContentTarget::Replace {
                children,
                inline: self.content_inline(node)?,
            },
            _ => return Err(self.error(node, format!("<{name}> needs theme"))),
        };
        if children && matches!(target, ContentTarget::Drop | ContentTarget::Strip) {
            select = children_of(select);
        }
        let mut patterns = patterns(select);
        if matches!(target, ContentTarget::DropAttributes(_)) {
            // Diazo writes these as patterns of two steps.
            for (_, rank) in &mut patterns {
                *rank = Rank::SPECIFIC;
            }
        }
        self.rules.content_rules.push(ContentRule {
            place: self.place(node),
            target,
            when,
            written: written.key(),
            patterns,
        });
        Ok(())
    }

    /// Reads the conditions of one element. An empty `if-content` refers to `content`.
    pub(super) fn conditions(
        &mut self,
        node: Node<'_, '_>,
        content: Option<&Written>,
    ) -> Result<Vec<TestId>, LoadError> {
        let mut ids = Vec::new();
        for (name, wanted) in [("if-content", true), ("if-not-content", false)] {
            let Some(mut written) = self.written(node, name) else {
                continue;
            };
            if written.text.is_empty() {
                match content {
                    Some(content) => written = content.clone(),
                    None => {
                        return Err(
                            self.error(node, format!("an empty {name} needs content beside it"))
                        );
                    }
                }
            }
            let expr = self.compiled(node, &written)?;
            ids.push(self.test(About::Expr(expr), wanted));
        }
        if let Some(content) = content.filter(|_| needs_content(node)) {
            let expr = self.compiled(node, content)?;
            ids.push(self.test(About::Expr(expr), true));
        }
        for (name, wanted) in [("if-path", true), ("if-not-path", false)] {
            if let Some(text) = node.attribute(name) {
                ids.push(self.test(About::Path(PathPattern::all(text)), wanted));
            }
        }
        for (name, wanted) in [("if", true), ("if-not", false)] {
            let Some(written) = self.written(node, name) else {
                continue;
            };
            let expr = self.compiled(node, &written)?;
            ids.push(self.test(About::Expr(expr), wanted));
        }
        Ok(ids)
    }

    fn test(&mut self, about: About, wanted: bool) -> TestId {
        self.rules.tests.push(Test::new(about, wanted));
        (self.rules.tests.len() - 1) as TestId
    }
}
