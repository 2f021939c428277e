//! Explains for one page which rule put which nodes where.

use std::collections::HashMap;
use std::path::Path;

use super::page::{Here, Page, TOP};
use crate::compile::{AboutContent, Applied, Template, shown};
use crate::dom::{Dom, Id, Kind};
use crate::error::PageError;
use crate::rules::{Action, Place};
use crate::xpath::Item;

/// The maximum number of nodes in one line.
const NAMED: usize = 5;

/// The effect of a rule on a page, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    place: Place,
    what: String,
}

impl Explanation {
    /// Returns the path of the rules file.
    pub fn file(&self) -> &Path {
        &self.place.file
    }

    /// Returns the line in that file, from 1.
    pub fn line(&self) -> u32 {
        self.place.line
    }

    /// Returns the rule and its effect: `<replace> puts p.lead in place of div#main`.
    pub fn what(&self) -> &str {
        &self.what
    }
}

impl std::fmt::Display for Explanation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place { file, line } = &self.place;
        write!(f, "{}:{line}: {}", file.display(), self.what)
    }
}

/// The rules that decide about a node of the theme.
#[derive(Default)]
struct Fate<'a> {
    dropped: Option<&'a Place>,
    replaced: Option<&'a Place>,
    filled: Option<&'a Place>,
}

impl<'a> Page<'a> {
    /// Explains all rules about the page's theme, and those about its content.
    pub(super) fn explained(&'a self) -> Result<Vec<Explanation>, PageError> {
        let mut all = Vec::new();
        match self.chosen()? {
            Some(template) => self.explain_theme(template, &mut all)?,
            None if self.program.choices.is_empty() => {}
            None => {
                let places = self.program.choices.iter();
                let first = places.map(|(_, _, place)| place.clone()).next();
                all.extend(first.map(|place| Explanation {
                    place,
                    what: "no theme is chosen: the content stays without one".to_owned(),
                }));
            }
        }
        for rule in &self.program.about_content {
            all.push(self.explain_content(rule)?);
        }
        for ran in self.trace.iter().flat_map(|trace| trace.take().into_ran()) {
            let times = ran.times;
            let times = if times == 1 {
                "once".to_owned()
            } else {
                format!("{times} times")
            };
            let name = ran.name.as_str();
            let what = match (name, ran.bytes) {
                // They keep what is written in them.
                ("xsl:variable" | "xsl:param" | "xsl:message", _) => {
                    format!("<{name}> runs {times}")
                }
                (_, 0) => format!("<{name}> runs {times} and writes nothing"),
                (_, 1) => format!("<{name}> runs {times} and writes 1 byte"),
                (_, bytes) => format!("<{name}> runs {times} and writes {bytes} bytes"),
            };
            all.push(Explanation {
                place: ran.place,
                what,
            });
        }
        all.sort_by(|a, b| (&a.place.file, a.place.line).cmp(&(&b.place.file, b.place.line)));
        Ok(all)
    }

    fn explain_theme(
        &'a self,
        template: &'a Template,
        all: &mut Vec<Explanation>,
    ) -> Result<(), PageError> {
        all.push(Explanation {
            place: template.place.clone(),
            what: format!("the theme is {}", template.file.display()),
        });
        let mut fates: HashMap<Id, Fate<'_>> = HashMap::new();
        // A rule with a condition comes before the one without.
        let (always, conditional): (Vec<_>, Vec<_>) = template
            .applied
            .iter()
            .partition(|rule| rule.when.is_empty());
        for rule in conditional.into_iter().chain(always) {
            if !self.all(&rule.when, TOP)? {
                continue;
            }
            for id in &rule.targets {
                let fate = fates.entry(*id).or_default();
                let place = match rule.action {
                    Action::Drop => &mut fate.dropped,
                    Action::Replace => &mut fate.replaced,
                    Action::Copy => &mut fate.filled,
                    _ => continue,
                };
                place.get_or_insert(&rule.place);
            }
        }
        let dom = template.dom()?;
        for rule in &template.applied {
            let what = self.effect(rule, &dom, &fates)?;
            all.push(Explanation {
                place: rule.place.clone(),
                what: format!("<{}> {what}", name(rule.action)),
            });
        }
        Ok(())
    }

    fn effect(
        &'a self,
        rule: &'a Applied,
        theme: &Dom<'_>,
        fates: &HashMap<Id, Fate<'_>>,
    ) -> Result<String, PageError> {
        if rule.targets.is_empty() {
            return Ok("does nothing: the theme has nothing that it is about".to_owned());
        }
        if !self.all(&rule.when, TOP)? {
            return Ok("does nothing: a condition does not hold".to_owned());
        }
        let mut targets = Vec::new();
        let mut because = String::new();
        for id in &rule.targets {
            let shown = shown(theme, Item::new(0, *id));
            match fates.get(id).and_then(|fate| fate.overrules(rule)) {
                None => targets.push(shown),
                Some((what, place)) => {
                    because = format!(": line {} {what} {shown}", place.line);
                }
            }
        }
        if targets.is_empty() {
            return Ok(format!("does nothing{because}"));
        }
        let place = list(&targets);
        let mut content = Vec::new();
        let mut has_blank = false;
        for (source, when) in &rule.sources {
            if self.all(when, TOP)? {
                for item in self.select(*source, TOP)? {
                    // White space between elements is not worth a word.
                    match is_blank(self.dom(item.document), item) {
                        true => has_blank = true,
                        false => content.push(shown(self.dom(item.document), item)),
                    }
                }
            }
        }
        let content = match (rule.sources.is_empty(), content.is_empty()) {
            (true, _) => "HTML of its own".to_owned(),
            (false, true) if has_blank => "white space".to_owned(),
            (false, true) => "nothing of the content".to_owned(),
            (false, false) => list(&content),
        };
        Ok(match rule.action {
            Action::Drop => format!("removes {place}"),
            Action::Strip => format!("removes the tags of {place}"),
            Action::DropAttributes => format!("removes attributes of {place}"),
            Action::CopyAttributes => format!("gives {place} attributes of {content}"),
            Action::MergeAttributes => format!("adds attributes of {content} to those of {place}"),
            Action::Before => format!("puts {content} before {place}"),
            Action::After => format!("puts {content} after {place}"),
            Action::Replace => format!("puts {content} in place of {place}"),
            Action::Prepend => format!("puts {content} at the start of {place}"),
            Action::Append => format!("puts {content} at the end of {place}"),
            Action::Copy => format!("puts {content} into {place}, in place of its children"),
        })
    }

    fn explain_content(&'a self, rule: &'a AboutContent) -> Result<Explanation, PageError> {
        let mut found = Vec::new();
        let mut refused = 0;
        let mut selected = Vec::new();
        for part in &rule.parts {
            selected.extend(self.scope(TOP).nodes(part)?);
        }
        selected.sort_unstable();
        selected.dedup();
        for item in selected {
            if self.all(&rule.when, Here::at(Item::new(item.document, item.node)))? {
                found.push(shown(self.dom(item.document), item));
            } else {
                refused += 1;
            }
        }
        let what = match (found.is_empty(), refused) {
            (true, 0) => "is about nothing in the content".to_owned(),
            (true, _) => "does nothing: its condition holds for no node".to_owned(),
            (false, _) => format!("is about {} of the content", list(&found)),
        };
        Ok(Explanation {
            place: rule.place.clone(),
            what: format!("<{}> {what}", rule.name),
        })
    }
}

impl<'a> Fate<'a> {
    /// Returns the other rule because of which this one has no effect.
    fn overrules(&self, rule: &Applied) -> Option<(&'static str, &'a Place)> {
        let is_other = |place: &&'a Place| **place != rule.place;
        let dropped = self
            .dropped
            .filter(is_other)
            .map(|place| ("removes", place));
        let replaced = self
            .replaced
            .filter(is_other)
            .map(|place| ("replaces", place));
        let filled = self.filled.filter(is_other).map(|place| ("fills", place));
        match rule.action {
            Action::Before | Action::After => None,
            Action::Drop => None,
            Action::Copy => dropped.or(replaced).or(filled),
            _ => dropped.or(replaced),
        }
    }
}

fn name(action: Action) -> &'static str {
    match action {
        Action::Before | Action::Prepend => "before",
        Action::After | Action::Append => "after",
        Action::Replace | Action::Copy => "replace",
        Action::Drop => "drop",
        Action::Strip => "strip",
        Action::CopyAttributes => "copy attributes",
        Action::MergeAttributes => "merge attributes",
        Action::DropAttributes => "drop attributes",
    }
}

fn is_blank(dom: &Dom<'_>, item: Item) -> bool {
    let node = dom.node(item.node);
    let is_text = item.as_attribute().is_none() && node.kind == Kind::Text;
    is_text && dom.slice(node.start, node.end).trim_ascii().is_empty()
}

fn list(all: &[String]) -> String {
    let named = all.iter().take(NAMED).map(String::as_str);
    let named: Vec<&str> = named.collect();
    let more = all.len() - named.len();
    let named = named.join(", ");
    if more == 0 {
        named
    } else {
        format!("{named} and {more} more")
    }
}
