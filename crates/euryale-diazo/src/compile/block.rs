//! The steps that a page runs.

use std::sync::Arc;

use super::draft::Draft;
use super::start::Start;
use crate::dom::{Name, Traits};
use crate::rules::{
    Binding, Computed, Global, Inline, Instruction, Pattern, Place, Source, Template, TestId, What,
    write_start,
};

/// Tests that must all hold. An empty list always holds.
pub(crate) type When = Vec<TestId>;

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Html(Arc<str>),
    /// Copies the nodes of a source. `raw` is for scripts and titles, which contain no tags.
    Include {
        source: u32,
        raw: bool,
    },
    /// The first arm of which one condition holds.
    Choose {
        arms: Vec<(Vec<When>, Block)>,
        otherwise: Block,
    },
    /// A start tag whose attributes depend on the page.
    Start(Arc<Start>),
    /// An XSLT instruction.
    Do(Arc<Step>),
}

/// An instruction and where it is written.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) place: Arc<Place>,
    pub(crate) instruction: Instruction<Block>,
    /// Whether attributes that it writes may belong to the tag of the element around it.
    joins: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Block(pub(crate) Vec<Op>);

impl Block {
    /// Returns the same block for an element whose text is raw. In some such elements, for example
    /// `title`, references are resolved.
    pub(super) fn into_raw(mut self, has_references: bool) -> Self {
        for op in &mut self.0 {
            match op {
                Op::Include { raw, .. } => *raw = true,
                Op::Choose { arms, otherwise } => {
                    for (_, block) in arms.iter_mut() {
                        *block = std::mem::take(block).into_raw(has_references);
                    }
                    *otherwise = std::mem::take(otherwise).into_raw(has_references);
                }
                Op::Do(step) => match &mut Arc::make_mut(step).instruction {
                    Instruction::ValueOf { raw, .. } => *raw |= !has_references,
                    Instruction::Apply { into_raw, .. } => *into_raw = true,
                    other => other.each_body(&mut |block| {
                        *block = std::mem::take(block).into_raw(has_references);
                    }),
                },
                Op::Html(_) | Op::Start(_) => {}
            }
        }
        self
    }

    /// Returns whether its first output may be an attribute, which belongs to the element around
    /// it.
    pub(super) fn joins(&self, sources: &[Source]) -> bool {
        for op in &self.0 {
            match op {
                Op::Html(_) | Op::Start(_) => return false,
                Op::Include { source, .. } => {
                    if sources[*source as usize].select.selects_attributes() {
                        return true;
                    }
                }
                Op::Choose { arms, otherwise } => {
                    let mut all = arms.iter().map(|(_, block)| block).chain([otherwise]);
                    if all.any(|block| block.joins(sources)) {
                        return true;
                    }
                }
                Op::Do(step) if step.joins => return true,
                Op::Do(step) => {
                    let writes_first = matches!(
                        step.instruction,
                        Instruction::Element { .. } | Instruction::Comment(_)
                    );
                    if writes_first {
                        return false;
                    }
                }
            }
        }
        false
    }

    /// Calls `note` with each source and its conditions.
    pub(super) fn each_source(&self, when: &When, note: &mut impl FnMut(u32, &When)) {
        for op in &self.0 {
            match op {
                Op::Include { source, .. } => note(*source, when),
                Op::Choose { arms, otherwise } => {
                    for (any, block) in arms {
                        let mut inner = when.clone();
                        if let [only] = any.as_slice() {
                            inner.extend(only);
                        }
                        block.each_source(&inner, note);
                    }
                    otherwise.each_source(when, note);
                }
                Op::Do(step) => step
                    .instruction
                    .look(&mut |block| block.each_source(when, note)),
                Op::Html(_) | Op::Start(_) => {}
            }
        }
    }
}

/// A part of an inline theme that depends on the page.
#[derive(Debug)]
pub(super) enum Part {
    Block(Block),
    /// The value of an attribute.
    Value(Pattern),
}

impl Part {
    pub(super) fn each_source(&self, when: &When, note: &mut impl FnMut(u32, &When)) {
        if let Self::Block(block) = self {
            block.each_source(when, note);
        }
    }
}

/// Moves sources from rules into one table.
pub(super) struct Builder {
    pub(super) sources: Vec<Source>,
}

impl Builder {
    pub(super) fn source(&mut self, source: Source) -> u32 {
        self.sources.push(source);
        (self.sources.len() - 1) as u32
    }

    pub(super) fn what(&mut self, what: What) -> Block {
        match what {
            What::Select(source) => Block(vec![Op::Include {
                source: self.source(source),
                raw: false,
            }]),
            What::Inline(inline) => self.inline(inline),
        }
    }

    pub(super) fn computed(&mut self, part: Computed) -> Part {
        match part {
            Computed::Part(part) => Part::Block(self.inline(vec![part])),
            Computed::Value(value) => Part::Value(value),
        }
    }

    pub(super) fn inline(&mut self, inline: Vec<Inline>) -> Block {
        let mut draft = Draft::default();
        for part in inline {
            match part {
                Inline::Html(html) => draft.html(&html),
                Inline::Do(place, instruction) => self.instruction(place, *instruction, &mut draft),
                Inline::Include { source, when } => {
                    let source = self.source(source);
                    draft.when(&when, Block(vec![Op::Include { source, raw: false }]));
                }
                Inline::Edge { html, when } => {
                    draft.when(&when, Block(vec![Op::Html(html.as_str().into())]));
                }
            }
        }
        draft.finish()
    }
}

impl Builder {
    fn instruction(
        &mut self,
        place: Arc<Place>,
        instruction: Instruction<Vec<Inline>>,
        draft: &mut Draft,
    ) {
        let mut instruction = instruction.map(&mut |body| self.inline(body));
        if let Instruction::Element {
            name,
            attributes,
            body,
        } = &mut instruction
        {
            let fixed = name.fixed().unwrap_or_default().to_owned();
            let traits = Traits::of(Name::of(fixed.as_bytes()));
            if traits.has(Traits::RAW | Traits::RCDATA) {
                *body = std::mem::take(body).into_raw(!traits.has(Traits::RAW));
            }
            let is_fixed = attributes.iter().all(|(_, value)| value.fixed().is_some());
            if !fixed.is_empty() && is_fixed && !body.joins(&self.sources) {
                let mut start = String::new();
                write_start(&mut start, &fixed, attributes);
                draft.html(&start);
                draft.append(std::mem::take(body));
                if !traits.has(Traits::VOID) {
                    draft.html(&format!("</{fixed}>"));
                }
                return;
            }
        }
        let joins = self.may_join(&instruction);
        draft.push(Op::Do(Arc::new(Step {
            place,
            instruction,
            joins,
        })));
    }

    fn may_join(&self, instruction: &Instruction<Block>) -> bool {
        match instruction {
            Instruction::Attribute { .. } | Instruction::Call { .. } | Instruction::Copy(_) => true,
            Instruction::Apply {
                select: Some(select),
                ..
            } => !select.is_plain_path() || select.selects_attributes(),
            Instruction::CopyOf(select) => !select.is_plain_path() || select.selects_attributes(),
            // Templates may match the children.
            Instruction::Apply { .. } => false,
            Instruction::ForEach { body, .. } | Instruction::Frame { body, .. } => {
                body.joins(&self.sources)
            }
            Instruction::Choose {
                arms, otherwise, ..
            } => {
                let mut all = arms.iter().map(|(_, body)| body).chain([otherwise]);
                all.any(|body| body.joins(&self.sources))
            }
            Instruction::ValueOf { .. }
            | Instruction::Element { .. }
            | Instruction::Comment(_)
            | Instruction::Message { .. }
            | Instruction::Set { .. }
            | Instruction::Default { .. } => false,
        }
    }

    pub(super) fn template(&mut self, template: Template<Vec<Inline>>) -> Template<Block> {
        Template {
            place: template.place,
            parameters: template.parameters,
            frame: template.frame,
            body: self.inline(template.body),
        }
    }

    pub(super) fn global(&mut self, global: Global<Vec<Inline>>) -> Global<Block> {
        Global {
            place: global.place,
            name: global.name,
            is_parameter: global.is_parameter,
            frame: global.frame,
            value: global.value.map(&mut |body| self.inline(body)),
        }
    }
}

/// Templates that only copy the nodes they match, as Diazo does without them.
pub(super) fn is_identity(template: &Template<Block>, mode: u32) -> bool {
    let [Op::Do(step)] = template.body.0.as_slice() else {
        return false;
    };
    let Instruction::Copy(body) = &step.instruction else {
        return false;
    };
    let [Op::Do(step)] = body.0.as_slice() else {
        return false;
    };
    match &step.instruction {
        Instruction::Apply {
            select: Some(select),
            mode: inner,
            sorts,
            arguments,
            ..
        } => *inner == mode && sorts.is_empty() && arguments.is_empty() && select.is_all_inside(),
        _ => false,
    }
}

/// Calls `note` with each source of a binding.
pub(super) fn sources_of(value: &Binding<Block>, note: &mut impl FnMut(u32, &When)) {
    if let Binding::Body(body) = value {
        body.each_source(&When::new(), note);
    }
}
