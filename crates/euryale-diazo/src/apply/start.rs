//! Start tags of the theme that rules change.

use std::borrow::Cow;

use super::out::Out;
use super::page::{Here, Page};
use crate::compile::{Edit, Given, Start};
use crate::dom::{escape_text, write_attribute};
use crate::error::PageError;
use crate::rules::DEFAULT_MODE;
use crate::xpath::{Budget, Item};

/// The name, the escaped value, and whether there is no value.
type Attribute<'a> = (Cow<'a, str>, Cow<'a, str>, bool);

impl<'a> Page<'a> {
    /// Writes a start tag with the attributes that the rules keep and add. If two have the same
    /// name, the last one counts.
    pub(super) fn start(
        &'a self,
        out: &mut Out,
        start: &'a Start,
        here: Here,
    ) -> Result<(), PageError> {
        let mut all: Vec<Attribute<'a>> = Vec::new();
        self.budget.spend(1 + start.attributes.len())?;
        if !self.any(&start.drop_all, here)? {
            for given in &start.attributes {
                if !self.any(&given.drop, here)? {
                    let name = Cow::Borrowed(given.name.as_str());
                    all.push((name, self.given_value(given, here)?, given.bare));
                }
            }
        }
        for (when, edit) in &start.edits {
            if self.all(when, here)? {
                self.edit(&mut all, start, edit, here)?;
            }
        }
        if start.stays_open {
            out.open(&start.name);
            for (name, value, bare) in all {
                out.attribute(self.budget, &name, &value, bare)?;
            }
            return Ok(());
        }
        let html = out.html();
        html.push('<');
        html.push_str(&start.name);
        for (name, value, bare) in all {
            write_attribute(html, &name, &value, bare);
        }
        html.push('>');
        Ok(())
    }

    /// Returns the escaped value of an attribute of the theme.
    fn given_value(&'a self, given: &'a Given, here: Here) -> Result<Cow<'a, str>, PageError> {
        let Some(computed) = &given.computed else {
            return Ok(Cow::Borrowed(&given.value));
        };
        let mut escaped = String::new();
        escape_text(&mut escaped, &self.pattern(computed, here)?, false);
        Ok(Cow::Owned(escaped))
    }

    fn edit(
        &'a self,
        all: &mut Vec<Attribute<'a>>,
        start: &'a Start,
        edit: &'a Edit,
        here: Here,
    ) -> Result<(), PageError> {
        match edit {
            Edit::Copy { source, names } => {
                for item in self.select(*source, here)? {
                    let dom = self.dom(item.document);
                    self.budget
                        .spend(dom.node(item.node).attribute_count as usize)?;
                    let of = dom.attributes_of(item.node);
                    for at in of.filter(|at| names.has(dom.attribute_name(*at))) {
                        self.copied(all, item.attribute(at))?;
                    }
                }
            }
            Edit::Selected { source } => {
                for item in self.select(*source, here)? {
                    if item.as_attribute().is_some() {
                        self.copied(all, item)?;
                    }
                }
            }
            Edit::Merge {
                source,
                names,
                separator,
            } => {
                let items = self.select(*source, here)?;
                for name in &names.names {
                    let mut given = start.attributes.iter();
                    let given = given.find(|given| given.name.eq_ignore_ascii_case(name));
                    let mut value = match given {
                        Some(given) => format!("{}{separator}", self.given_value(given, here)?),
                        None => String::new(),
                    };
                    for (index, item) in items.iter().enumerate() {
                        if index > 0 {
                            value.push_str(separator);
                        }
                        let dom = self.dom(item.document);
                        self.budget
                            .spend(1 + dom.node(item.node).attribute_count as usize)?;
                        if let Some(at) = dom.attribute(item.node, name) {
                            let own = dom.attribute_value(at);
                            self.budget.spend(own.len() / 16)?;
                            value.push_str(own);
                        }
                    }
                    let merged = (Cow::Borrowed(name.as_str()), Cow::Owned(value), false);
                    put(self.budget, all, merged)?;
                }
            }
        }
        Ok(())
    }

    /// Adds an attribute of the content unless it is dropped, or the output of its template.
    fn copied(&'a self, all: &mut Vec<Attribute<'a>>, item: Item) -> Result<(), PageError> {
        let dom = self.dom(item.document);
        let Some(at) = item.as_attribute() else {
            return Ok(());
        };
        if self.is_silent(DEFAULT_MODE) {
            let name = Cow::Borrowed(dom.attribute_name(at));
            let value = Cow::Borrowed(dom.attribute_value(at));
            let bare = dom.attributes[at as usize].bare;
            return put(self.budget, all, (name, value, bare));
        }
        let mut out = Out::default();
        out.open("");
        self.apply_one(&mut out, Here::at(item), DEFAULT_MODE, &[], false)?;
        for (name, value, bare) in out.attributes() {
            let name = Cow::Owned(name.to_owned());
            let value = Cow::Owned(value.to_owned());
            put(self.budget, all, (name, value, bare))?;
        }
        Ok(())
    }
}

fn put<'a>(
    budget: &Budget,
    all: &mut Vec<Attribute<'a>>,
    new: Attribute<'a>,
) -> Result<(), PageError> {
    budget.spend(all.len() + new.1.len() / 16)?;
    let mut known = all.iter_mut();
    match known.find(|known| known.0.eq_ignore_ascii_case(&new.0)) {
        Some(known) => (known.1, known.2) = (new.1, new.2),
        None => all.push(new),
    }
    Ok(())
}
