//! Splits an expression into tokens (XPath 1.0 §3.7).

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Punctuation and operators.
    Sign(&'static str),
    /// A name with an optional prefix.
    Name(String),
    Literal(String),
    Number(f64),
    Variable(String),
}

const SIGNS: [&str; 22] = [
    "//", "::", "..", "!=", "<=", ">=", "(", ")", "[", "]", ".", "@", ",", "/", "|", "+", "-", "=",
    "<", ">", "*", ":",
];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length;
        if first == '"' || first == '\'' {
            let Some(end) = rest[1..].find(first) else {
                return Err(format!("a quote is not closed: {rest}"));
            };
            found.push(Token::Literal(rest[1..=end].to_owned()));
            length = end + 2;
        } else if first.is_ascii_digit()
            || (first == '.' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            length = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let number = rest[..length]
                .parse()
                .map_err(|_| format!("no number: {}", &rest[..length]))?;
            found.push(Token::Number(number));
        } else if first == '$' {
            let name = name(&rest[1..]);
            if name.is_empty() {
                return Err("a $ without a name".to_owned());
            }
            found.push(Token::Variable(name.to_owned()));
            length = 1 + name.len();
        } else if !name(rest).is_empty() {
            let name = name(rest);
            length = name.len();
            found.push(Token::Name(name.to_owned()));
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            length = sign.len();
        } else {
            return Err(format!("unexpected {first:?}"));
        }
        rest = rest[length..].trim_start();
    }
    Ok(found)
}

/// Returns the name at the beginning, with its prefix if it has one: `xsl:text`, but only the
/// `self` of `self::a`.
fn name(text: &str) -> &str {
    let end = part(text);
    if end == 0 {
        return "";
    }
    match text[end..].strip_prefix(':') {
        Some(more) if !more.starts_with(':') => {
            let more = if more.starts_with('*') { 1 } else { part(more) };
            &text[..if more == 0 { end } else { end + 1 + more }]
        }
        _ => &text[..end],
    }
}

fn part(text: &str) -> usize {
    if !text.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return 0;
    }
    text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
        .unwrap_or(text.len())
}
