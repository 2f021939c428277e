//! `application/x-www-form-urlencoded`, as WHATWG URL §5.1 reads it; but what is no UTF-8 is
//! refused, not replaced.

use euryale_core::Error;
use percent_encoding::percent_decode;

use super::limits::{FIELDS, NO_UTF8, TEXT, malformed, too_large};
use super::{Field, Form, FormLimits};

pub(crate) fn parse(bytes: &[u8], limits: FormLimits) -> Result<Form, Error> {
    let mut left = Some(limits.text);
    let mut fields = Vec::new();
    for field in bytes
        .split(|byte| *byte == b'&')
        .filter(|field| !field.is_empty())
    {
        if fields.len() == limits.fields {
            return Err(too_large(FIELDS, limits.fields));
        }
        let (name, text) = match field.iter().position(|byte| *byte == b'=') {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, &[][..]),
        };
        let name = decoded(name)?;
        let text = decoded(text)?;
        left = left.and_then(|left| left.checked_sub(name.len() + text.len()));
        if left.is_none() {
            return Err(too_large(TEXT, limits.text));
        }
        fields.push(Field::new_text(name, text));
    }
    Ok(fields.into_iter().collect())
}

fn decoded(text: &[u8]) -> Result<String, Error> {
    let spaced: Vec<u8> = text
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let decoded = percent_decode(&spaced).decode_utf8();
    decoded.map(String::from).map_err(|_| malformed(NO_UTF8))
}
