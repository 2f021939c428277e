//! Selectors of rules: CSS or XPath, and their meaning in each attribute.

use super::rule::Rank;
use crate::xpath::{Axis, CssStart, Expr, Step, Test, parse_css, parse_xpath};

/// The maximum length of a selector in an error message.
const SHOWN: usize = 200;

/// A selector as written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) css: bool,
    /// The text that `css:prefix` puts before each selector.
    pub(super) prefix: Option<String>,
    /// Whether CSS begins at the context node and not at the document.
    here: bool,
}

impl Written {
    pub(super) fn xpath(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            css: false,
            prefix: None,
            here: false,
        }
    }

    pub(super) fn css(text: &str, prefix: Option<&str>) -> Self {
        Self {
            text: text.to_owned(),
            css: true,
            prefix: prefix.map(str::to_owned),
            here: false,
        }
    }

    /// Makes CSS begin at the context node, as in an instruction.
    pub(super) fn looking_from_here(self) -> Self {
        Self { here: true, ..self }
    }

    pub(super) fn compile(&self) -> Result<Expr, String> {
        let compiled = match (self.css, &self.prefix) {
            (false, _) => parse_xpath(&self.text),
            (true, None) if self.here => parse_css(&self.text, CssStart::Here),
            (true, None) => parse_css(&self.text, CssStart::Document),
            (true, Some(prefix)) => match parse_xpath(&format!("{prefix}*")) {
                Ok(prefix) => parse_css(&self.text, CssStart::At(&prefix)),
                Err(error) => {
                    return Err(format!(
                        "css:prefix=\"{prefix}\" is not understood: {error}"
                    ));
                }
            },
        };
        compiled.map_err(|error| {
            let shown: String = self.text.chars().take(SHOWN).collect();
            let more = if shown.len() < self.text.len() {
                "…"
            } else {
                ""
            };
            format!("the selector \"{shown}{more}\" is not understood: {error}")
        })
    }

    pub(super) fn key(&self) -> String {
        let prefix = self.prefix.as_deref().unwrap_or_default();
        format!(
            "{}{prefix}{}",
            if self.css { "css:" } else { "" },
            self.text
        )
    }
}

/// Selects the contents of the selected nodes, instead of the nodes.
pub(super) fn children_of(expr: Expr) -> Expr {
    let step = || Step {
        axis: Axis::Child,
        test: Test::Node,
        predicates: Vec::new(),
    };
    match expr {
        Expr::Path(mut path) => {
            path.steps.push(step());
            Expr::Path(path)
        }
        Expr::Union(a, b) => Expr::Union(Box::new(children_of(*a)), Box::new(children_of(*b))),
        Expr::Filter(primary, predicates, mut steps) => {
            steps.push(step());
            Expr::Filter(primary, predicates, steps)
        }
        other => other,
    }
}

/// Makes a path begin at the top of its document.
pub(super) fn from_top(mut expr: Expr) -> Expr {
    for path in expr.alternatives() {
        path.absolute = true;
    }
    expr
}

/// Returns the patterns for an expression, one for each part of a union, because each part has its
/// own rank (XSLT 1.0 §5.5). A pattern matches at any depth: `h2` means `//h2`.
pub(super) fn patterns(expr: Expr) -> Vec<(Expr, Rank)> {
    match expr {
        Expr::Union(a, b) => {
            let mut all = patterns(*a);
            all.extend(patterns(*b));
            all
        }
        one => vec![pattern(one)],
    }
}

fn pattern(mut expr: Expr) -> (Expr, Rank) {
    let mut rank = Rank::SPECIFIC;
    if let Expr::Path(path) = &mut expr
        && !path.absolute
    {
        if let [step] = path.steps.as_slice()
            && step.predicates.is_empty()
        {
            rank = match step.test {
                Test::Named(..) => Rank::NAME,
                _ => Rank::ANY,
            };
        }
        path.anywhere();
    }
    (expr, rank)
}
