//! Compiles rules and themes into programs for pages.

mod attributes;
mod block;
mod content;
mod draft;
mod outline;
mod prefix;
mod start;
mod tag;
mod template;

pub(crate) use self::block::{Block, Op, Step, When};
pub(crate) use self::content::{Content, Group, Target};
pub(crate) use self::outline::{AboutContent, Applied, shown};
pub(crate) use self::start::{Edit, Given, Start};
pub(crate) use self::template::Template;

use self::prefix::Own;
use crate::context::{Context, Parameter};
use crate::dom::{escape_text, write_attribute};
use crate::error::LoadError;
use crate::rules::{Global, Place, Rules, Source, Test};
use crate::xpath::Value;

/// A compiled set of rules with its themes.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) tests: Vec<Test>,
    pub(crate) sources: Vec<Source>,
    /// Documents, one entry for each use, with the conditions of that use.
    pub(crate) documents: Vec<(String, Vec<When>)>,
    /// `notheme` and themes in the order in which they are checked: those without a condition come
    /// last.
    pub(crate) choices: Vec<(When, Option<Template>, Place)>,
    pub(crate) content: Content,
    /// Modes without rules, by their number.
    pub(crate) silent: Vec<bool>,
    pub(crate) globals: Vec<Global<Block>>,
    pub(crate) modes: usize,
    pub(crate) about_content: Vec<AboutContent>,
    /// Values for parameters that a page does not set.
    pub(crate) parameters: Vec<(String, Parameter)>,
}

impl Program {
    pub(crate) fn new(
        mut rules: Rules,
        prefix: Option<&str>,
    ) -> Result<(Self, Vec<LoadError>), LoadError> {
        let mut builder = block::Builder {
            sources: Vec::new(),
        };
        let prepared: Vec<template::Prepared> = std::mem::take(&mut rules.theme_rules)
            .into_iter()
            .map(|rule| template::Prepared::new(rule, &mut builder))
            .collect();
        let modes = rules.modes.len() + 1;
        let about_content = rules.content_rules.iter().map(AboutContent::new).collect();
        let content = Content::new(
            std::mem::take(&mut rules.content_rules),
            std::mem::take(&mut rules.templates),
            modes,
            &mut builder,
        );
        let globals: Vec<_> = std::mem::take(&mut rules.globals)
            .into_iter()
            .map(|global| builder.global(global))
            .collect();
        let manifest = rules.manifest.take().unwrap_or_default();
        let own = prefix
            .filter(|_| !manifest.name.is_empty())
            .map(|prefix| Own::new(&manifest.name, prefix));
        let prefix = prefix.or(manifest.prefix.as_deref());
        let mut styles = String::new();
        for written in &manifest.styles {
            let address = prefix::style(written, own.as_ref());
            styles.push_str("<link rel=\"stylesheet\"");
            let mut escaped = String::new();
            escape_text(&mut escaped, &address, false);
            write_attribute(&mut styles, "href", &escaped, false);
            styles.push('>');
        }
        let mut choices = Vec::new();
        let mut inline_parts = Vec::new();
        let mut used = vec![false; prepared.len()];
        for theme in std::mem::take(&mut rules.themes) {
            let mut theme = theme;
            let template = match &mut theme.html {
                Some(html) => {
                    let computed = std::mem::take(&mut html.computed);
                    let computed: Vec<_> = computed
                        .into_iter()
                        .map(|part| builder.computed(part))
                        .collect();
                    let compiled = template::compile(
                        html,
                        &theme.place,
                        &computed,
                        &prepared,
                        &template::Around {
                            sources: &builder.sources,
                            prefix,
                            own: own.clone(),
                            uses_esi: rules.uses_esi,
                            doctype: manifest.doctype.as_deref(),
                            styles: styles.clone(),
                        },
                        &mut used,
                    )?;
                    inline_parts.push((theme.when.clone(), computed));
                    Some(compiled)
                }
                None => None,
            };
            choices.push((theme, template));
        }
        let without: Vec<_> = choices
            .iter()
            .filter(|(theme, _)| theme.when.is_empty() && theme.html.is_some())
            .collect();
        if let [first, second, ..] = without.as_slice() {
            let line = first.0.place.line;
            let what = format!(
                "a second theme without a condition (the first is in line {line}): give one of \
                    them an if"
            );
            return Err(LoadError::new(
                &second.0.place.file,
                Some(second.0.place.line),
                what,
            ));
        }
        // In Diazo's order: notheme, themes with a condition, the theme without one. A notheme
        // without a condition has no effect.
        choices.retain(|(theme, _)| theme.html.is_some() || !theme.when.is_empty());
        choices.sort_by_key(|(theme, _)| match (&theme.html, theme.when.is_empty()) {
            (None, _) => 0,
            (Some(_), false) => 1,
            (Some(_), true) => 2,
        });
        let mut warnings = rules.warnings;
        if !choices.is_empty() {
            for (rule, _) in prepared.iter().zip(&used).filter(|(_, used)| !**used) {
                let what = "the theme has nothing that this rule is about".to_owned();
                warnings.push(LoadError::new(
                    &rule.place.file,
                    Some(rule.place.line),
                    what,
                ));
            }
        }
        let mut documents: Vec<_> = rules
            .documents
            .into_iter()
            .map(|href| (href, Vec::new()))
            .collect();
        let mut note = |source: u32, when: &When| {
            if let Some(document) = builder.sources[source as usize].document {
                documents[document as usize].1.push(when.clone());
            }
        };
        for rule in &prepared {
            rule.block.each_source(&rule.when, &mut note);
        }
        for (when, parts) in &inline_parts {
            for part in parts {
                part.each_source(when, &mut note);
            }
        }
        content.each_source(&mut note);
        for global in &globals {
            block::sources_of(&global.value, &mut note);
        }
        for document in rules.computed {
            documents[document as usize].1.push(When::new());
        }
        let silent = (0..modes)
            .map(|mode| content.is_empty(mode as u32))
            .collect();
        let choices = choices
            .into_iter()
            .map(|(theme, template)| (theme.when, template, theme.place))
            .collect();
        Ok((
            Self {
                tests: rules.tests,
                sources: builder.sources,
                documents,
                choices,
                content,
                silent,
                globals,
                modes,
                about_content,
                parameters: Vec::new(),
            },
            warnings,
        ))
    }

    /// Returns the value of a parameter: the page's, or else the program's.
    pub(crate) fn value<'a>(&'a self, context: &'a Context<'_>, name: &str) -> Option<Value<'a>> {
        context.value(name).or_else(|| {
            let mut all = self.parameters.iter().rev();
            all.find(|known| known.0 == name)
                .map(|known| known.1.value())
        })
    }
}
