//! Rules about the content: patterns that are matched while it is copied.
//!
//! If several patterns match a node, XSLT chooses the more specific one, and among equals the last
//! one (XSLT 1.0 §5.5). Diazo writes drops first, then strips, then content before, after and in
//! place of a node, then replacements of its children. The same order decides here.

use super::block::{Builder, is_identity};
use super::draft::Draft;
use super::{Block, When};
use crate::rules::{
    ContentRule, ContentTarget, DEFAULT_MODE, Inline, Names, RAW_MODE, Rank, Template, WholeKind,
};
use crate::xpath::Expr;

/// The rules about the content.
#[derive(Debug, Default)]
pub(crate) struct Content {
    /// The patterns, the weakest first.
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) groups: Vec<Group>,
    pub(crate) templates: Vec<Template<Block>>,
    /// For each mode, the templates for nodes that no other pattern matches.
    pub(crate) otherwise: Vec<Otherwise>,
}

/// Templates for all nodes of a kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Otherwise {
    pub(crate) element: Option<u32>,
    pub(crate) text: Option<u32>,
    pub(crate) comment: Option<u32>,
    pub(crate) attribute: Option<u32>,
}

impl Otherwise {
    pub(crate) fn is_empty(&self) -> bool {
        matches!(
            self,
            Self {
                element: None,
                text: None,
                comment: None,
                attribute: None,
            }
        )
    }

    fn set(&mut self, kind: WholeKind, template: u32) {
        let places = match kind {
            WholeKind::Elements => vec![&mut self.element],
            WholeKind::Texts => vec![&mut self.text],
            WholeKind::Comments => vec![&mut self.comment],
            WholeKind::Attributes => vec![&mut self.attribute],
            WholeKind::Nodes => vec![&mut self.element, &mut self.text, &mut self.comment],
        };
        for place in places {
            *place = Some(template);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) select: Expr,
    pub(crate) when: When,
    pub(crate) target: Target,
    pub(crate) mode: u32,
    order: (Rank, u8),
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Drop,
    DropAttributes(Names),
    Strip,
    /// The index of a group.
    Group(u32),
    ReplaceChildren(Block),
    Template(u32),
}

/// Rules with the same selector: the content that they put around a node and into it.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) before: Block,
    pub(crate) before_children: Block,
    pub(crate) after_children: Block,
    pub(crate) after: Block,
    pub(crate) replace: Vec<(When, Block)>,
}

impl Content {
    pub(super) fn new(
        rules: Vec<ContentRule>,
        templates: Vec<Template<Vec<Inline>>>,
        modes: usize,
        builder: &mut Builder,
    ) -> Self {
        let templates = templates
            .into_iter()
            .map(|template| builder.template(template));
        let mut content = Self {
            templates: templates.collect(),
            otherwise: vec![Otherwise::default(); modes],
            ..Self::default()
        };
        let mut known: Vec<String> = Vec::new();
        for ContentRule {
            target,
            when,
            written,
            patterns,
            ..
        } in rules
        {
            let mut in_mode = DEFAULT_MODE;
            let (phase, target) = match target {
                ContentTarget::Template {
                    template,
                    mode,
                    kind,
                } => {
                    // Diazo's own templates copy nodes, but other modes do not have them.
                    let copies = mode <= RAW_MODE
                        && is_identity(&content.templates[template as usize], mode);
                    if let Some(kind) = kind {
                        if !copies {
                            content.otherwise[mode as usize].set(kind, template);
                        }
                        continue;
                    }
                    in_mode = mode;
                    (4, Target::Template(template))
                }
                ContentTarget::Drop => (0, Target::Drop),
                ContentTarget::DropAttributes(names) => (0, Target::DropAttributes(names)),
                ContentTarget::Strip => (1, Target::Strip),
                ContentTarget::Replace {
                    children: true,
                    inline,
                } => (3, Target::ReplaceChildren(builder.inline(inline))),
                around => {
                    let found = known.iter().position(|other| *other == written);
                    let index = found.unwrap_or(known.len());
                    if found.is_none() {
                        known.push(written);
                        content.groups.push(Group::default());
                        let target = Target::Group(index as u32);
                        let when = When::new();
                        content.add(patterns, &when, &target, DEFAULT_MODE, 2);
                    }
                    content.groups[index].add(around, when, builder);
                    continue;
                }
            };
            content.add(patterns, &when, &target, in_mode, phase);
        }
        content.patterns.sort_by_key(|pattern| pattern.order);
        content
    }

    fn add(
        &mut self,
        parts: Vec<(Expr, Rank)>,
        when: &When,
        target: &Target,
        mode: u32,
        phase: u8,
    ) {
        // Diazo's own templates, which copy, are stronger than such templates.
        let is_weak =
            |rank| matches!(target, Target::Template(_)) && mode <= RAW_MODE && rank < Rank::ANY;
        let parts = parts.into_iter().filter(|(_, rank)| !is_weak(*rank));
        self.patterns.extend(parts.map(|(select, rank)| Pattern {
            select,
            when: when.clone(),
            target: target.clone(),
            mode,
            order: (rank, phase),
        }));
    }

    /// Returns whether there are no rules about nodes in a mode.
    pub(crate) fn is_empty(&self, mode: u32) -> bool {
        self.otherwise[mode as usize].is_empty()
            && self.patterns.iter().all(|pattern| pattern.mode != mode)
    }

    pub(super) fn each_source(&self, note: &mut impl FnMut(u32, &When)) {
        for pattern in &self.patterns {
            if let Target::ReplaceChildren(block) = &pattern.target {
                block.each_source(&pattern.when, note);
            }
        }
        let always = When::new();
        for template in &self.templates {
            template.body.each_source(&always, note);
        }
        for group in &self.groups {
            for block in [
                &group.before,
                &group.before_children,
                &group.after_children,
                &group.after,
            ] {
                block.each_source(&always, note);
            }
            for (when, block) in &group.replace {
                block.each_source(when, note);
            }
        }
    }
}

impl Group {
    fn add(&mut self, target: ContentTarget, when: When, builder: &mut Builder) {
        let (place, inline) = match target {
            ContentTarget::Before {
                children: false,
                inline,
            } => (&mut self.before, inline),
            ContentTarget::Before {
                children: true,
                inline,
            } => (&mut self.before_children, inline),
            ContentTarget::After {
                children: true,
                inline,
            } => (&mut self.after_children, inline),
            ContentTarget::After {
                children: false,
                inline,
            } => (&mut self.after, inline),
            ContentTarget::Replace { inline, .. } => {
                return self.replace.push((when, builder.inline(inline)));
            }
            ContentTarget::Drop
            | ContentTarget::DropAttributes(_)
            | ContentTarget::Strip
            | ContentTarget::Template { .. } => return,
        };
        let mut draft = Draft::from(std::mem::take(place));
        draft.when(&when, builder.inline(inline));
        *place = draft.finish();
    }
}
