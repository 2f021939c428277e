//! The field `Forwarded`.

use http::HeaderMap;

use crate::fields::Field;
use crate::refusal::Malformed;

/// What one proxy says (RFC 7239 §4). `by` and extensions are read over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) node: Option<String>,
    pub(crate) proto: Option<String>,
    pub(crate) host: Option<String>,
}

const MALFORMED: Malformed = Malformed("forwarded");

/// The elements of all lines. One that cannot be read makes all of them worthless: an open quote in what a client
/// invented would swallow what the proxy added.
pub(crate) fn elements(headers: &HeaderMap) -> Result<Vec<Element>, Malformed> {
    let mut elements = Vec::new();
    for line in headers.get_all(Field::Forwarded.name()) {
        let mut rest = Cursor(line.to_str().map_err(|_| MALFORMED)?);
        loop {
            rest.skip_space();
            if let Some(element) = rest.element()? {
                elements.push(element);
            }
            rest.skip_space();
            match rest.next() {
                None => break,
                Some(',') => {}
                Some(_) => return Err(MALFORMED),
            }
        }
    }
    Ok(elements)
}

/// What is left of a line.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.0.chars();
        let next = chars.next();
        self.0 = chars.as_str();
        next
    }

    fn skip_space(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t']);
    }

    fn skip(&mut self, expected: char) -> bool {
        let rest = self.0.strip_prefix(expected);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`; none if it is empty. Spaces around the semicolons, which the
    /// grammar does not know, are common.
    fn element(&mut self) -> Result<Option<Element>, Malformed> {
        let (mut element, mut is_empty) = (Element::default(), true);
        loop {
            self.skip_space();
            let name = self.token();
            if !name.is_empty() {
                is_empty = false;
                let value = if self.skip('=') { self.value()? } else { return Err(MALFORMED) };
                let place = match name.to_ascii_lowercase().as_str() {
                    "for" => &mut element.node,
                    "proto" => &mut element.proto,
                    "host" => &mut element.host,
                    _ => &mut None,
                };
                // §4: no more than once in an element.
                if place.replace(value).is_some() {
                    return Err(MALFORMED);
                }
            }
            self.skip_space();
            if !self.skip(';') {
                return Ok((!is_empty).then_some(element));
            }
        }
    }

    /// RFC 9110 §5.6.2.
    fn token(&mut self) -> &'a str {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        token
    }

    /// `token / quoted-string` (RFC 9110 §5.6.4).
    fn value(&mut self) -> Result<String, Malformed> {
        if !self.skip('"') {
            let token = self.token();
            return if token.is_empty() { Err(MALFORMED) } else { Ok(token.to_owned()) };
        }
        let mut value = String::new();
        loop {
            match self.next().ok_or(MALFORMED)? {
                '"' => return Ok(value),
                '\\' => value.push(self.next().ok_or(MALFORMED)?),
                other => value.push(other),
            }
        }
    }
}
