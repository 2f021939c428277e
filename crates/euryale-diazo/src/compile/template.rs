//! Compiles a theme with the rules about it, in Diazo's order: before · drop · replace · strip ·
//! attributes · content inside · after.

use std::collections::HashMap;
use std::path::PathBuf;

use super::block::{Builder, Op, Part};
use super::draft::Draft;
use super::outline::Applied;
use super::prefix::{self, Own};
use super::{Block, When};
use crate::dom::{Dom, Excess, HEAD, Id, Kind, ROOT, Traits};
use crate::error::LoadError;
use crate::error::PageError;
use crate::rules::{Action, Names, Place, Source, ThemeHtml, ThemeRule};
use crate::xpath::{Budget, Expr, Item, OneDocument, Scope};

/// The maximum number of nodes that all rules may examine in one theme.
const BUDGET: u64 = 20_000_000;

/// A compiled theme.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) block: Block,
    /// The number of slots for variables of an inline theme.
    pub(crate) frame: u32,
    /// The theme's HTML.
    source: String,
    is_fragment: bool,
    /// The `<theme>`, its file, and the rules about it, for explanations.
    pub(crate) place: Place,
    pub(crate) file: PathBuf,
    pub(crate) applied: Vec<Applied>,
}

impl Template {
    /// Returns the number of bytes of the theme without any content.
    pub(crate) fn size(&self) -> usize {
        self.source.len()
    }

    /// Returns the tree in which the rules have found their nodes.
    pub(crate) fn dom(&self) -> Result<Dom<'_>, Excess> {
        parsed(&self.source, self.is_fragment)
    }
}

fn parsed(source: &str, is_fragment: bool) -> Result<Dom<'_>, Excess> {
    if is_fragment {
        Dom::parse_fragment(source)
    } else {
        Dom::parse_theme(source)
    }
}

/// The data that all themes share.
pub(super) struct Around<'a> {
    pub(super) sources: &'a [Source],
    pub(super) prefix: Option<&'a str>,
    pub(super) own: Option<Own>,
    pub(super) uses_esi: bool,
    pub(super) doctype: Option<&'a str>,
    /// HTML for the end of the head.
    pub(super) styles: String,
}

/// A rule about the theme whose sources are in the table.
pub(super) struct Prepared {
    pub(super) action: Action,
    pub(super) place: Place,
    pub(super) when: When,
    theme: Expr,
    pub(super) block: Block,
    pub(super) names: Names,
    pub(super) separator: String,
    attributes_only: bool,
}

impl Prepared {
    pub(super) fn new(rule: ThemeRule, builder: &mut Builder) -> Self {
        let block = builder.what(rule.what);
        let ThemeRule {
            action,
            place,
            when,
            theme,
            names,
            separator,
            ..
        } = rule;
        let attributes_only = match block.0.as_slice() {
            [Op::Include { source, .. }] => builder.sources[*source as usize]
                .select
                .selects_attributes(),
            _ => false,
        };
        Self {
            action,
            place,
            when,
            theme,
            block,
            names,
            separator,
            attributes_only,
        }
    }

    /// Returns the source of a rule that has only one source and nothing else.
    pub(super) fn source(&self) -> Option<u32> {
        match self.block.0.as_slice() {
            [Op::Include { source, .. }] => Some(*source),
            _ => None,
        }
    }

    pub(super) fn gives_attributes(&self) -> bool {
        self.attributes_only && matches!(self.action, Action::Prepend | Action::Append)
    }

    fn is_conditional(&self) -> bool {
        !self.when.is_empty()
    }
}

/// Compiles a theme, and records which rules it uses.
pub(super) fn compile(
    html: &ThemeHtml,
    place: &Place,
    computed: &[Part],
    rules: &[Prepared],
    around: &Around<'_>,
    used: &mut [bool],
) -> Result<Template, LoadError> {
    let fail = |what: &str| LoadError::new(&html.file, None, what);
    let dom = parsed(&html.source, html.is_fragment).map_err(|excess| match excess {
        Excess::Depth => fail("more than 512 elements in each other"),
        Excess::Nodes => fail("more than two million nodes"),
    })?;
    let mut matching: HashMap<Id, Vec<&Prepared>> = HashMap::new();
    let mut applied = Vec::new();
    let world = OneDocument {
        dom: &dom,
        parameters: |_: &str| None,
    };
    let budget = Budget::new(BUDGET);
    for (rule, used) in rules.iter().zip(used) {
        let nodes = Scope::new(&world, &budget, Item::new(0, ROOT))
            .nodes(&rule.theme)
            .map_err(|_: PageError| {
                LoadError::new(
                    &rule.place.file,
                    Some(rule.place.line),
                    "the theme's selector looks at too many nodes",
                )
            })?;
        let mut targets = Vec::new();
        for item in nodes.iter().filter(|item| item.as_attribute().is_none()) {
            if matches!(dom.node(item.node).kind, Kind::Element | Kind::Comment) {
                matching.entry(item.node).or_default().push(rule);
                targets.push(item.node);
                *used = true;
            }
        }
        applied.push(Applied::new(rule, targets));
    }
    let prefix = match html.is_inline {
        true => prefix::Prefix::new(None, None, None),
        false => {
            let own = around.own.clone();
            prefix::Prefix::new(around.prefix, html.prefix.as_deref(), own)
        }
    };
    let compiler = Compiler {
        dom: &dom,
        matching,
        prefix,
        sources: around.sources,
        uses_esi: around.uses_esi,
        styles: &around.styles,
        computed,
    };
    let mut draft = Draft::default();
    let has_own = dom
        .children(ROOT)
        .any(|id| dom.node(id).kind == Kind::Doctype);
    match around.doctype {
        Some(doctype) => draft.html(&format!("{doctype}\n")),
        None if !has_own => draft.html("<!DOCTYPE html>\n"),
        None => {}
    }
    for id in dom.children(ROOT) {
        let is_doctype = dom.node(id).kind == Kind::Doctype;
        if is_doctype && around.doctype.is_some() {
            continue;
        }
        compiler.node(id, &mut draft)?;
        if is_doctype {
            draft.html("\n");
        }
    }
    Ok(Template {
        block: draft.finish(),
        frame: html.frame,
        place: place.clone(),
        file: html.file.clone(),
        source: html.source.clone(),
        is_fragment: html.is_fragment,
        applied,
    })
}

pub(super) struct Compiler<'a> {
    pub(super) dom: &'a Dom<'a>,
    matching: HashMap<Id, Vec<&'a Prepared>>,
    pub(super) prefix: prefix::Prefix,
    sources: &'a [Source],
    pub(super) uses_esi: bool,
    styles: &'a str,
    /// Parts of an inline theme that depend on the page.
    pub(super) computed: &'a [Part],
}

impl Compiler<'_> {
    fn node(&self, id: Id, out: &mut Draft) -> Result<(), LoadError> {
        let Some(rules) = self.matching.get(&id) else {
            return self.node_itself(id, &[], out);
        };
        for rule in rules.iter().filter(|rule| rule.action == Action::Before) {
            out.when(&rule.when, rule.block.clone());
        }
        let drops: Vec<_> = rules
            .iter()
            .filter(|rule| rule.action == Action::Drop)
            .collect();
        if drops.iter().all(|rule| rule.is_conditional()) {
            if drops.is_empty() {
                self.replaced(id, rules, out)?;
            } else {
                let mut kept = Draft::default();
                self.replaced(id, rules, &mut kept)?;
                let any = drops.iter().map(|rule| rule.when.clone()).collect();
                out.push(Op::Choose {
                    arms: vec![(any, Block::default())],
                    otherwise: kept.finish(),
                });
            }
        }
        for rule in rules.iter().filter(|rule| rule.action == Action::After) {
            out.when(&rule.when, rule.block.clone());
        }
        Ok(())
    }

    fn replaced(&self, id: Id, rules: &[&Prepared], out: &mut Draft) -> Result<(), LoadError> {
        self.exchange(id, rules, Action::Replace, out, |out| {
            self.node_itself(id, rules, out)
        })
    }

    /// Returns the replacement of a node by `replace` or `copy`, or else the node itself.
    fn exchange(
        &self,
        id: Id,
        rules: &[&Prepared],
        action: Action,
        out: &mut Draft,
        itself: impl Fn(&mut Draft) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        let of_action = || rules.iter().filter(|rule| rule.action == action);
        if of_action().next().is_none() {
            return itself(out);
        }
        let mut always = of_action().filter(|rule| !rule.is_conditional());
        let mut otherwise = Draft::default();
        match (always.next(), always.next()) {
            (Some(first), Some(second)) => {
                let what = format!(
                    "two rules without a condition replace <{}> (the first is in line {}): give \
                        one of them an if",
                    self.dom.written_name(id),
                    first.place.line
                );
                return Err(LoadError::new(
                    &second.place.file,
                    Some(second.place.line),
                    what,
                ));
            }
            (Some(rule), None) => otherwise.append(rule.block.clone()),
            (None, _) => itself(&mut otherwise)?,
        }
        let arms: Vec<_> = of_action()
            .filter(|rule| rule.is_conditional())
            .map(|rule| (vec![rule.when.clone()], rule.block.clone()))
            .collect();
        if arms.is_empty() {
            out.append(otherwise.finish());
        } else {
            out.push(Op::Choose {
                arms,
                otherwise: otherwise.finish(),
            });
        }
        Ok(())
    }

    /// Writes the node, unless it is dropped or replaced.
    fn node_itself(&self, id: Id, rules: &[&Prepared], out: &mut Draft) -> Result<(), LoadError> {
        let node = self.dom.node(id);
        if node.kind != Kind::Element {
            let mut html = String::new();
            self.dom.write(&mut html, id);
            self.marked(&self.prefix.text(self.dom, id, html), out);
            return Ok(());
        }
        let raw = Traits::of(node.name).has(Traits::RAW | Traits::RCDATA);
        let mut end = String::new();
        if node.name == HEAD {
            end.push_str(self.styles);
        }
        self.dom.write_end(&mut end, id);
        // The rules about the first child may begin with attributes of this element.
        let first = self.dom.children(id).next();
        let is_plain = first.is_none_or(|first| !self.matching.contains_key(&first));
        if is_plain && rules.is_empty() && !raw && self.computed.is_empty() {
            self.start(id, rules, false, out);
            self.dom
                .children(id)
                .try_for_each(|child| self.node(child, out))?;
            out.html(&end);
            return Ok(());
        }
        let strips: Vec<_> = rules
            .iter()
            .filter(|rule| rule.action == Action::Strip)
            .collect();
        let stripped = strips.iter().any(|rule| !rule.is_conditional());
        let any: Vec<When> = strips.iter().map(|rule| rule.when.clone()).collect();
        let unless_stripped = |out: &mut Draft, draft: Draft| {
            if any.is_empty() {
                out.append(draft.finish());
            } else if !stripped {
                let otherwise = draft.finish();
                out.push(Op::Choose {
                    arms: vec![(any.clone(), Block::default())],
                    otherwise,
                });
            }
        };
        let mut inside = Draft::default();
        for rule in rules
            .iter()
            .filter(|rule| rule.action == Action::Prepend && !rule.gives_attributes())
        {
            inside.when(&rule.when, rule.block.clone());
        }
        self.exchange(id, rules, Action::Copy, &mut inside, |out| {
            self.dom
                .children(id)
                .try_for_each(|child| self.node(child, out))
        })?;
        for rule in rules
            .iter()
            .filter(|rule| rule.action == Action::Append && !rule.gives_attributes())
        {
            inside.when(&rule.when, rule.block.clone());
        }
        let inside = inside.finish();
        let traits = Traits::of(node.name);
        let inside = match raw {
            true => inside.into_raw(!traits.has(Traits::RAW)),
            false => inside,
        };
        let mut start = Draft::default();
        self.start(id, rules, inside.joins(self.sources), &mut start);
        unless_stripped(out, start);
        out.append(inside);
        let mut draft = Draft::default();
        draft.html(&end);
        unless_stripped(out, draft);
        Ok(())
    }
}
