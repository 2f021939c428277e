//! Phrases that have to be read twice.

use crate::rules::phrases::{check_comments, check_markdown};
use crate::source::Source;

fn in_markdown(text: &str) -> Vec<usize> {
    super::lines(&check_markdown("README.md", text))
}

fn in_comments(text: &str) -> Vec<usize> {
    super::lines(&check_comments("crates/a/src/lib.rs", &Source::new(text)))
}

#[test]
fn a_sentence_without_a_noun_as_its_subject_is_found() {
    for text in [
        "Who waits, waits as a job.",
        "It waits.\nWho waits is a job.",
        "* **Whose** socket is closed is gone.",
        "| a | Whoever comes late is refused. |",
        "This: Who is late waits.",
    ] {
        assert_eq!(in_markdown(text).len(), 1, "{text}");
    }
    for text in [
        "Who waits for what, and where?",
        "# Who may write?",
        "A client who waits.",
        "| path | who asks |",
        "Those whose time is over.",
        "`Who` is a type.",
        "Whole pages.",
        "```\nWho waits, waits.\n```",
    ] {
        assert_eq!(in_markdown(text), [0; 0], "{text}");
    }
}

#[test]
fn a_phrase_without_its_referent_or_in_a_foreign_order_is_found() {
    for text in [
        "So many may wait.",
        "It keeps so much of it.",
        "given to who asks",
        "a key that is none",
        "it belongs into a file",
        "reads it anew",
        "a layer of one's own",
    ] {
        assert_eq!(in_markdown(text).len(), 1, "{text}");
    }
    for text in [
        "as many as there are, and so many that it waits",
        "There is no such key, and when there is none, it waits.",
        "a renewed lease",
        "to whom it belongs",
    ] {
        assert_eq!(in_markdown(text), [0; 0], "{text}");
    }
}

#[test]
fn a_phrase_is_found_in_comments_across_lines_and_never_in_code() {
    assert_eq!(
        in_comments("/// A peer. So\n/// many may wait.\nfn a() {}\n"),
        [1]
    );
    assert_eq!(in_comments("fn a() {} // Who waits is a job\n"), [1]);
    assert_eq!(in_comments("const A: &str = \"anew\";\n"), [0; 0]);
    assert_eq!(in_comments("//! ```\n//! let anew = 1;\n//! ```\n"), [0; 0]);
    assert_eq!(in_comments("/// One.\nfn who() {}\n/// Two.\n"), [0; 0]);
}
