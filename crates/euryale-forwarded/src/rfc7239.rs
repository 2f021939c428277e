//! Parses the field `Forwarded`.

use std::borrow::Cow;

use http::HeaderMap;

use crate::fields::Field;
use crate::refusal::Malformed;

/// The entry of one proxy (RFC 7239 §4). `by` and extensions are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) node: Option<Cow<'a, str>>,
    pub(crate) proto: Option<Cow<'a, str>>,
    pub(crate) host: Option<Cow<'a, str>>,
}

const MALFORMED: Malformed = Malformed("forwarded");

/// Returns the elements of all lines. One malformed element invalidates all of them, because an
/// open quote in a forged element would swallow the element that the proxy added.
pub(crate) fn elements(headers: &HeaderMap) -> Result<Vec<Element<'_>>, Malformed> {
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

/// The rest of a line.
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

    /// Parses `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`; `None` if the element is empty.
    /// Spaces around the semicolons are not in the grammar, but are common.
    fn element(&mut self) -> Result<Option<Element<'a>>, Malformed> {
        let mut element = Element::default();
        let mut is_empty = true;
        loop {
            self.skip_space();
            let name = self.token();
            if !name.is_empty() {
                is_empty = false;
                let value = if self.skip('=') {
                    self.value()?
                } else {
                    return Err(MALFORMED);
                };
                let Element { node, proto, host } = &mut element;
                let places = [("for", node), ("proto", proto), ("host", host)];
                let place = places
                    .into_iter()
                    .find(|(known, _)| name.eq_ignore_ascii_case(known));
                // A parameter may occur only once in an element (§4).
                if place.and_then(|(_, place)| place.replace(value)).is_some() {
                    return Err(MALFORMED);
                }
            }
            self.skip_space();
            if !self.skip(';') {
                return Ok((!is_empty).then_some(element));
            }
        }
    }

    /// Parses a `token` (RFC 9110 §5.6.2).
    fn token(&mut self) -> &'a str {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let end = self.0.find(|c| !is_token(c)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        token
    }

    /// Parses `token / quoted-string` (RFC 9110 §5.6.4).
    fn value(&mut self) -> Result<Cow<'a, str>, Malformed> {
        if !self.skip('"') {
            let token = self.token();
            return if token.is_empty() {
                Err(MALFORMED)
            } else {
                Ok(token.into())
            };
        }
        let (plain, rest) = self
            .0
            .split_at(self.0.find(['"', '\\']).unwrap_or(self.0.len()));
        self.0 = rest;
        if self.skip('"') {
            return Ok(plain.into());
        }
        let mut value = plain.to_owned();
        loop {
            match self.next().ok_or(MALFORMED)? {
                '"' => return Ok(value.into()),
                '\\' => value.push(self.next().ok_or(MALFORMED)?),
                other => value.push(other),
            }
        }
    }
}
