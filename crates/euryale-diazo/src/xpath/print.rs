//! Writes CSS selectors as XPath in the same way as cssselect.

use super::{Axis, Expr, Matching, Path, Predicate, Step, Test};

/// Returns the XPath of compiled CSS selectors, or `None` if one has a pseudo-class, or a text that
/// XPath cannot quote.
pub(crate) fn css_as_xpath(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Union(a, b) => Some(format!("{} | {}", css_as_xpath(a)?, css_as_xpath(b)?)),
        Expr::Path(path) => path_text(path),
        _ => None,
    }
}

fn path_text(path: &Path) -> Option<String> {
    let mut out = String::new();
    for step in &path.steps {
        out.push_str(match step.axis {
            Axis::Descendant => "//",
            Axis::Child => "/",
            Axis::FollowingSibling => "/following-sibling::",
            Axis::Self_ => "/self::",
            _ => return None,
        });
        out.push_str(&step_text(step)?);
    }
    Some(out)
}

fn step_text(step: &Step) -> Option<String> {
    let mut out = match &step.test {
        Test::Named(_, name) => name.clone(),
        Test::Any => "*".to_owned(),
        _ => return None,
    };
    let (position, others): (Vec<_>, Vec<_>) = step
        .predicates
        .iter()
        .partition(|predicate| matches!(predicate, Predicate::Position(_)));
    let conditions: Option<Vec<String>> = others.into_iter().map(condition).collect();
    match conditions?.as_slice() {
        [] => {}
        [only] => out.push_str(&format!("[{only}]")),
        several => out.push_str(&format!("[({})]", several.join(") and ("))),
    }
    for predicate in position {
        if let Predicate::Position(position) = predicate {
            out.push_str(&format!("[{position}]"));
        }
    }
    Some(out)
}

fn condition(predicate: &Predicate) -> Option<String> {
    Some(match predicate {
        Predicate::Id(id) => format!("@id = {}", quoted(id)?),
        Predicate::Class(class) => word("class", class)?,
        Predicate::HasAttribute(name) => format!("@{name}"),
        Predicate::AttributeIs(name, value) => format!("@{name} = {}", quoted(value)?),
        Predicate::AttributeMatches(name, how, value) => {
            let text = quoted(value)?;
            match how {
                Matching::Word => word(name, value)?,
                Matching::Dash => {
                    let dash = quoted(&format!("{value}-"))?;
                    format!("@{name} and (@{name} = {text} or starts-with(@{name}, {dash}))")
                }
                Matching::Prefix => format!("@{name} and starts-with(@{name}, {text})"),
                Matching::Suffix => {
                    let before = value.chars().count().saturating_sub(1);
                    format!(
                        "@{name} and substring(@{name}, string-length(@{name})-{before}) = {text}"
                    )
                }
                Matching::Substring => format!("@{name} and contains(@{name}, {text})"),
            }
        }
        _ => return None,
    })
}

fn word(name: &str, value: &str) -> Option<String> {
    let spaced = quoted(&format!(" {value} "))?;
    Some(format!(
        "@{name} and contains(concat(' ', normalize-space(@{name}), ' '), {spaced})"
    ))
}

fn quoted(text: &str) -> Option<String> {
    match (text.contains('\''), text.contains('"')) {
        (false, _) => Some(format!("'{text}'")),
        (true, false) => Some(format!("\"{text}\"")),
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::css_as_xpath;
    use crate::xpath::{CssStart, parse_css};

    #[test]
    fn css_is_written_in_xpath_as_cssselect_does() {
        let cases = [
            ("#a", Some("//*[@id = 'a']")),
            ("ul > li", Some("//ul/li")),
            ("div p", Some("//div//p")),
            (
                "p.x",
                Some("//p[@class and contains(concat(' ', normalize-space(@class), ' '), ' x ')]"),
            ),
            ("a[href], b", Some("//a[@href] | //b")),
            (
                "a#x[rel^=no]",
                Some("//a[(@id = 'x') and (@rel and starts-with(@rel, 'no'))]"),
            ),
            ("h1 + p", Some("//h1/following-sibling::*[1]/self::p")),
            ("li:first-child", None),
        ];
        for (css, xpath) in cases {
            let expr = parse_css(css, CssStart::Document).unwrap();
            assert_eq!(css_as_xpath(&expr).as_deref(), xpath, "{css}");
        }
    }
}
