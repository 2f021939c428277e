//! The XSLT instructions in rules files.

use super::Place;
use crate::dom::{is_name, is_void};
use crate::xpath::Expr;

/// An instruction. `B` is the type of a body, either as it was read or compiled.
#[derive(Clone, Debug)]
pub(crate) enum Instruction<B> {
    ValueOf {
        select: Expr,
        /// Whether the output is written without escaping.
        raw: bool,
    },
    CopyOf(Expr),
    Copy(B),
    Apply {
        select: Option<Expr>,
        mode: u32,
        sorts: Vec<Sort>,
        arguments: Vec<(String, Binding<B>)>,
        /// Whether the output goes into an element whose text is raw.
        into_raw: bool,
    },
    Call {
        template: u32,
        arguments: Vec<(String, Binding<B>)>,
    },
    ForEach {
        select: Expr,
        sorts: Vec<Sort>,
        body: B,
    },
    Choose {
        arms: Vec<(Expr, B)>,
        otherwise: B,
        /// It is written as `xsl:if`.
        is_if: bool,
    },
    Attribute {
        name: NamePattern,
        body: B,
    },
    /// `xsl:element`, and an element whose attributes depend on the page.
    Element {
        name: NamePattern,
        attributes: Vec<(String, Pattern)>,
        body: B,
    },
    Comment(B),
    Message {
        body: B,
        terminate: bool,
    },
    Set {
        slot: u32,
        value: Binding<B>,
    },
    /// Like `Set`, unless the caller has passed a value.
    Default {
        slot: u32,
        value: Binding<B>,
    },
    /// A body with its own variables.
    Frame {
        size: u32,
        body: B,
    },
}

/// The source of a variable's value.
#[derive(Clone, Debug)]
pub(crate) enum Binding<B> {
    Select(Expr),
    Body(B),
    /// There is no value, which means an empty string.
    Empty,
}

/// An attribute value template (XSLT 1.0 §7.6.2).
#[derive(Clone, Debug)]
pub(crate) struct Pattern(pub(crate) Vec<Part>);

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(String),
    Expr(Expr),
}

impl Pattern {
    /// Returns the text, if it is the same on each page.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// The name of an element or attribute that an instruction writes.
#[derive(Clone, Debug)]
pub(crate) enum NamePattern {
    /// A name that is valid and the same on each page.
    Fixed {
        name: String,
        /// Whether it is the name of an element without an end tag.
        is_void: bool,
    },
    Computed(Pattern),
}

impl NamePattern {
    pub(crate) fn new(pattern: Pattern) -> Self {
        match pattern.fixed() {
            Some(name) if is_name(name) => Self::Fixed {
                is_void: is_void(name),
                name: name.to_owned(),
            },
            _ => Self::Computed(pattern),
        }
    }

    /// Returns the name, if it is the same on each page.
    pub(crate) fn fixed(&self) -> Option<&str> {
        match self {
            Self::Fixed { name, .. } => Some(name),
            Self::Computed(_) => None,
        }
    }
}

/// `xsl:sort`.
#[derive(Clone, Debug)]
pub(crate) struct Sort {
    pub(crate) select: Expr,
    pub(crate) is_number: Pattern,
    pub(crate) order: Pattern,
}

/// A `template`, directly under the root `<rules>`.
#[derive(Debug)]
pub(crate) struct Template<B> {
    pub(crate) place: Place,
    pub(crate) parameters: Vec<(String, u32)>,
    pub(crate) frame: u32,
    pub(crate) body: B,
}

/// A `variable` or `param`, directly under the root `<rules>`.
#[derive(Debug)]
pub(crate) struct Global<B> {
    pub(crate) place: Place,
    pub(crate) name: String,
    /// Whether a parameter of the page with this name takes precedence.
    pub(crate) is_parameter: bool,
    pub(crate) frame: u32,
    pub(crate) value: Binding<B>,
}

impl<B> Binding<B> {
    pub(crate) fn map<C>(self, body: &mut impl FnMut(B) -> C) -> Binding<C> {
        match self {
            Self::Select(expr) => Binding::Select(expr),
            Self::Body(inner) => Binding::Body(body(inner)),
            Self::Empty => Binding::Empty,
        }
    }
}

impl<B> Instruction<B> {
    /// Returns the same instruction with other bodies.
    pub(crate) fn map<C>(self, body: &mut impl FnMut(B) -> C) -> Instruction<C> {
        let arguments_of = |all: Vec<(String, Binding<B>)>, body: &mut dyn FnMut(B) -> C| {
            let each = all.into_iter();
            each.map(|(name, value)| (name, value.map(&mut |inner| body(inner))))
                .collect()
        };
        match self {
            Self::ValueOf { select, raw } => Instruction::ValueOf { select, raw },
            Self::CopyOf(select) => Instruction::CopyOf(select),
            Self::Copy(inner) => Instruction::Copy(body(inner)),
            Self::Apply {
                select,
                mode,
                sorts,
                arguments,
                into_raw,
            } => Instruction::Apply {
                select,
                mode,
                sorts,
                arguments: arguments_of(arguments, body),
                into_raw,
            },
            Self::Call {
                template,
                arguments,
            } => Instruction::Call {
                template,
                arguments: arguments_of(arguments, body),
            },
            Self::ForEach {
                select,
                sorts,
                body: inner,
            } => Instruction::ForEach {
                select,
                sorts,
                body: body(inner),
            },
            Self::Choose {
                arms,
                otherwise,
                is_if,
            } => Instruction::Choose {
                is_if,
                arms: arms
                    .into_iter()
                    .map(|(test, inner)| (test, body(inner)))
                    .collect(),
                otherwise: body(otherwise),
            },
            Self::Attribute { name, body: inner } => Instruction::Attribute {
                name,
                body: body(inner),
            },
            Self::Element {
                name,
                attributes,
                body: inner,
            } => Instruction::Element {
                name,
                attributes,
                body: body(inner),
            },
            Self::Comment(inner) => Instruction::Comment(body(inner)),
            Self::Message {
                body: inner,
                terminate,
            } => Instruction::Message {
                body: body(inner),
                terminate,
            },
            Self::Set { slot, value } => Instruction::Set {
                slot,
                value: value.map(body),
            },
            Self::Default { slot, value } => Instruction::Default {
                slot,
                value: value.map(body),
            },
            Self::Frame { size, body: inner } => Instruction::Frame {
                size,
                body: body(inner),
            },
        }
    }

    /// Returns the name of its element.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::ValueOf { .. } => "xsl:value-of",
            Self::CopyOf(_) => "xsl:copy-of",
            Self::Copy(_) => "xsl:copy",
            Self::Apply { .. } => "xsl:apply-templates",
            Self::Call { .. } => "xsl:call-template",
            Self::ForEach { .. } => "xsl:for-each",
            Self::Choose { is_if: true, .. } => "xsl:if",
            Self::Choose { .. } => "xsl:choose",
            Self::Attribute { .. } => "xsl:attribute",
            Self::Element {
                name, attributes, ..
            } => match name.fixed() {
                Some(name) if !attributes.is_empty() => name,
                _ => "xsl:element",
            },
            Self::Comment(_) => "xsl:comment",
            Self::Message { .. } => "xsl:message",
            Self::Set { .. } => "xsl:variable",
            Self::Default { .. } => "xsl:param",
            Self::Frame { .. } => "rule",
        }
    }

    /// Calls `change` with each body whose output is at the place of the instruction.
    pub(crate) fn each_body(&mut self, change: &mut dyn FnMut(&mut B)) {
        for body in self.bodies_mut() {
            change(body);
        }
    }

    /// Calls `look` with each body, including those of arguments and variables.
    pub(crate) fn look(&self, look: &mut dyn FnMut(&B)) {
        match self {
            Self::ValueOf { .. } | Self::CopyOf(_) => {}
            Self::Copy(body)
            | Self::ForEach { body, .. }
            | Self::Attribute { body, .. }
            | Self::Element { body, .. }
            | Self::Comment(body)
            | Self::Message { body, .. }
            | Self::Frame { body, .. } => look(body),
            Self::Apply { arguments, .. } | Self::Call { arguments, .. } => {
                for (_, value) in arguments {
                    if let Binding::Body(body) = value {
                        look(body);
                    }
                }
            }
            Self::Choose {
                arms, otherwise, ..
            } => {
                arms.iter().for_each(|(_, body)| look(body));
                look(otherwise);
            }
            Self::Set { value, .. } | Self::Default { value, .. } => {
                if let Binding::Body(body) = value {
                    look(body);
                }
            }
        }
    }

    /// Returns the bodies whose output is at the place of the instruction.
    fn bodies_mut(&mut self) -> Vec<&mut B> {
        match self {
            Self::Copy(body)
            | Self::ForEach { body, .. }
            | Self::Element { body, .. }
            | Self::Frame { body, .. } => vec![body],
            Self::Choose {
                arms, otherwise, ..
            } => {
                let mut all: Vec<&mut B> = arms.iter_mut().map(|(_, body)| body).collect();
                all.push(otherwise);
                all
            }
            _ => Vec::new(),
        }
    }
}
