//! Merges a page and its layout into one document.

use crate::outline::{Outline, Span};

/// Inserts the contents of the page's panels into the layout's panels of the same name. Everything
/// else in the page is left out, except its head, which is added to the layout's; its title
/// replaces the layout's.
///
/// If the page has a panel `content` and the layout does not, the panel goes into the layout's
/// element whose id is `content`.
pub(crate) fn merge(page: (&str, &Outline), layout: (&str, &Outline)) -> String {
    let ((page, page_outline), (layout, layout_outline)) = (page, layout);
    let mut edits: Vec<(Span, String)> = Vec::new();
    for (name, span) in places(page_outline, layout_outline) {
        // If several panels have the same name, the last one counts, as in `plone.app.blocks`.
        if let Some((_, inner)) = page_outline
            .panels
            .iter()
            .rev()
            .find(|(panel, _)| panel == name)
        {
            edits.push((span.clone(), page[inner.clone()].to_owned()));
        }
    }
    if let (Some(from), Some(to)) = (&page_outline.head, &layout_outline.head) {
        let head = without(page, from.clone(), &page_outline.once);
        edits.push((to.end..to.end, head));
        if !page_outline.titles.is_empty() {
            edits.extend(
                layout_outline
                    .titles
                    .iter()
                    .map(|title| (title.clone(), String::new())),
            );
        }
    }
    edits.sort_by_key(|(span, _)| (span.start, span.end));
    let mut merged = String::with_capacity(layout.len() + page.len());
    let mut at = 0;
    for (span, text) in edits {
        // A panel inside a replaced panel was removed with it.
        if span.start >= at {
            merged.push_str(&layout[at..span.start]);
            merged.push_str(&text);
            at = span.end;
        }
    }
    merged.push_str(&layout[at..]);
    merged
}

fn places<'a>(page: &Outline, layout: &'a Outline) -> impl Iterator<Item = (&'a str, &'a Span)> {
    let has = |outline: &Outline| outline.panels.iter().any(|(name, _)| name == "content");
    let content = layout
        .content
        .as_ref()
        .filter(|_| has(page) && !has(layout));
    let panels = layout
        .panels
        .iter()
        .map(|(name, span)| (name.as_str(), span));
    panels.chain(content.map(|span| ("content", span)))
}

fn without(text: &str, range: Span, cuts: &[Span]) -> String {
    let mut kept = String::new();
    let mut at = range.start;
    for cut in cuts.iter().filter(|cut| range.contains(&cut.start)) {
        kept.push_str(&text[at..cut.start]);
        at = cut.end;
    }
    kept.push_str(&text[at..range.end]);
    kept
}
