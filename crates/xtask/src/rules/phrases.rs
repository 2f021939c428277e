//! Phrases that have to be read twice, in Markdown and in comments.
//!
//! Each phrase has a reason and a remedy. A phrase is listed only if it is hardly ever right,
//! because a rule with exceptions teaches people to work around it.

use super::Finding;
use crate::source::Source;

struct Phrase {
    words: &'static str,
    /// Matched only with this capitalization, at the beginning of a sentence that is not a
    /// question.
    is_headless: bool,
    /// The words before or after it with which the phrase is right.
    unless_beside: &'static [&'static str],
    remedy: &'static str,
}

const fn headless(words: &'static str) -> Phrase {
    Phrase {
        words,
        is_headless: true,
        unless_beside: &[],
        remedy: "the subject of a sentence is a noun: a client, a job, a reader",
    }
}

const fn unless(
    words: &'static str,
    unless_beside: &'static [&'static str],
    remedy: &'static str,
) -> Phrase {
    Phrase {
        words,
        is_headless: false,
        unless_beside,
        remedy,
    }
}

const fn never(words: &'static str, remedy: &'static str) -> Phrase {
    unless(words, &[], remedy)
}

const NO_REFERENT: &str = "say how many: a number, a limit, `as many as …`";
const A_PERSON: &str = "name the person or the thing: a client that …";
const NOT_A: &str = "`is not a …`, or `there is no …`";

const PHRASES: [Phrase; 15] = [
    headless("Who"),
    headless("Whoever"),
    headless("Whose"),
    unless("so many", &["as", "that"], NO_REFERENT),
    unless("so much", &["as", "that"], NO_REFERENT),
    never("by who", A_PERSON),
    never("for who", A_PERSON),
    never("to who", A_PERSON),
    unless("is none", &["there"], NOT_A),
    unless("are none", &["there"], NOT_A),
    never("belongs into", "belongs in"),
    never("belong into", "belong in"),
    never("anew", "again"),
    never("of one's own", "your own, or its own"),
    never("can be taken alone", "also works on its own"),
];

/// Checks a Markdown file.
pub(crate) fn check_markdown(path: &str, text: &str) -> Vec<Finding> {
    let mut prose = Prose::default();
    for (line, number) in text.lines().zip(1..) {
        prose.push(line, number);
    }
    prose.findings(path)
}

/// Checks the comments of a Rust file, including its documentation.
pub(crate) fn check_comments(path: &str, source: &Source) -> Vec<Finding> {
    let mut prose = Prose::default();
    for line in source.lines() {
        let comment = line.comment.trim_start();
        let comment = comment.trim_start_matches(['/', '!']);
        prose.push(comment, line.number);
    }
    prose.findings(path)
}

/// Paragraphs of text, without blocks of code.
#[derive(Default)]
struct Prose {
    paragraphs: Vec<Paragraph>,
    is_open: bool,
    in_code: bool,
}

#[derive(Default)]
struct Paragraph {
    text: String,
    /// Where each line begins in the text, and its number.
    lines: Vec<(usize, usize)>,
}

impl Prose {
    fn push(&mut self, line: &str, number: usize) {
        let line = line.trim();
        let is_fence = line.starts_with("```");
        self.in_code ^= is_fence;
        if is_fence || self.in_code || line.is_empty() {
            self.is_open = false;
            return;
        }
        if !self.is_open || begins_a_paragraph(line) {
            self.paragraphs.push(Paragraph::default());
        }
        self.is_open = true;
        let paragraph = self.paragraphs.last_mut().expect("one was pushed");
        paragraph.lines.push((paragraph.text.len(), number));
        paragraph.text.push_str(line);
        paragraph.text.push(' ');
    }

    fn findings(self, path: &str) -> Vec<Finding> {
        let paragraphs = self.paragraphs.iter();
        paragraphs
            .flat_map(|paragraph| paragraph.findings(path))
            .collect()
    }
}

/// Returns whether `line` is an item, a heading or a row of a table.
fn begins_a_paragraph(line: &str) -> bool {
    ["* ", "- ", "#", "|"]
        .iter()
        .any(|mark| line.starts_with(mark))
        || line
            .split_once(". ")
            .is_some_and(|(number, _)| number.parse::<u8>().is_ok())
}

impl Paragraph {
    fn findings(&self, path: &str) -> Vec<Finding> {
        let text = without_code(&self.text);
        let lower = text.to_ascii_lowercase();
        let mut findings = Vec::new();
        for phrase in &PHRASES {
            let text = if phrase.is_headless { &text } else { &lower };
            for (at, _) in text.match_indices(phrase.words) {
                if phrase.is_wrong(text, at) {
                    let line = self.line(at);
                    let what = format!("`{}`", &self.text[at..at + phrase.words.len()]);
                    findings.push(Finding::new(path, line, what, phrase.remedy));
                }
            }
        }
        findings
    }

    /// The number of the line with the character at `at`.
    fn line(&self, at: usize) -> usize {
        let before = self.lines.iter().take_while(|(start, _)| *start <= at);
        before.last().map_or(0, |(_, number)| *number)
    }
}

impl Phrase {
    /// Returns whether the phrase at `at` in `text` consists of whole words and is not one of its
    /// right uses.
    fn is_wrong(&self, text: &str, at: usize) -> bool {
        let (before, rest) = text.split_at(at);
        let after = &rest[self.words.len()..];
        let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-');
        if before.ends_with(is_letter) || after.starts_with(is_letter) {
            return false;
        }
        if self.is_headless {
            return begins_a_sentence(before) && !is_question(after);
        }
        let previous = before.split_whitespace().next_back();
        let next = after.split_whitespace().next();
        let mut beside = previous.into_iter().chain(next);
        !beside.any(|word| self.unless_beside.contains(&word))
    }
}

fn begins_a_sentence(before: &str) -> bool {
    let marks = |letter: char| letter.is_whitespace() || matches!(letter, '*' | '#' | '-' | '_');
    let before = before.trim_end_matches(marks);
    before.is_empty() || before.ends_with(['.', '!', '?', '|', ':', ';'])
}

fn is_question(after: &str) -> bool {
    let ends = |letter: char| matches!(letter, '.' | '!' | '?' | '|');
    after
        .find(ends)
        .is_some_and(|at| after[at..].starts_with('?'))
}

/// Returns the text with its `code spans` replaced by a letter. Each byte keeps its position.
fn without_code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let parts = parts.map(|(index, part)| match index % 2 {
        0 => part.to_owned(),
        _ => "x".repeat(part.len()),
    });
    parts.collect::<Vec<_>>().join("x")
}
