//! Start tags of the theme that rules change.

use super::When;
use super::start::{Edit, Given, GivenNow, Start};
use super::template::Prepared;
use crate::rules::Action;

impl Start {
    /// Creates the tag of an element to which these rules apply.
    pub(super) fn new(name: &str, given: Vec<GivenNow>, rules: &[&Prepared]) -> Self {
        let of = |action| rules.iter().filter(move |rule| rule.action == action);
        let drops: Vec<_> = of(Action::DropAttributes).collect();
        let drop_all = drops
            .iter()
            .filter(|rule| rule.names.all)
            .map(|rule| rule.when.clone())
            .collect();
        let attributes = given.into_iter().map(|given| {
            let GivenNow {
                name,
                value,
                computed,
                bare,
            } = given;
            let drop = drops
                .iter()
                .filter(|rule| !rule.names.all && rule.names.has(&name));
            Given {
                drop: drop.map(|rule| rule.when.clone()).collect(),
                name,
                value,
                computed,
                bare,
            }
        });
        let attributes = attributes.collect();
        let mut edits: Vec<(When, Edit)> = Vec::new();
        for rule in of(Action::CopyAttributes) {
            if let Some(source) = rule.source() {
                edits.push((
                    rule.when.clone(),
                    Edit::Copy {
                        source,
                        names: rule.names.clone(),
                    },
                ));
            }
        }
        for rule in of(Action::MergeAttributes) {
            if let Some(source) = rule.source() {
                let names = rule.names.clone();
                let separator = rule.separator.clone();
                edits.push((
                    rule.when.clone(),
                    Edit::Merge {
                        source,
                        names,
                        separator,
                    },
                ));
            }
        }
        // `content="/html/@lang"` that is put into an element becomes an attribute of the element.
        for rule in rules.iter().filter(|rule| rule.gives_attributes()) {
            if let Some(source) = rule.source() {
                edits.push((rule.when.clone(), Edit::Selected { source }));
            }
        }
        Self {
            name: name.to_owned(),
            attributes,
            drop_all,
            edits,
            stays_open: false,
        }
    }
}
