use minijinja::HtmlEscape;
use proptest::prelude::*;

use super::query::Query;
use super::snippet;
use crate::pages::markdown;
use crate::store::{Format, RawConnection, TOKENIZER, Tokenizer, expression};

/// Does FTS5 find `expression` in `text`?
fn is_found(text: &str, expression: &str) -> bool {
    let index = RawConnection::open_in_memory().unwrap();
    let create = format!("CREATE VIRTUAL TABLE t USING fts5 (text, tokenize = '{TOKENIZER}')");
    index.execute_batch(&create).unwrap();
    index.execute("INSERT INTO t VALUES (?1)", [text]).unwrap();
    let select = "SELECT EXISTS (SELECT 1 FROM t WHERE t MATCH ?1)";
    index
        .query_row(select, [expression], |row| row.get(0))
        .unwrap()
}

fn tokenizer(texts: &[&str]) -> Tokenizer {
    let mut tokenizer = Tokenizer::new().unwrap();
    tokenizer.learn(texts.iter().copied()).unwrap();
    tokenizer
}

fn marked(text: &str, words: &str) -> String {
    let mut tokenizer = tokenizer(&[text]);
    let query = Query::new(words, &mut tokenizer).unwrap();
    snippet::marked(text, &query, &tokenizer).unwrap()
}

fn shown(source: &str, format: Format, words: &str) -> String {
    let mut tokenizer = tokenizer(&[source]);
    let query = Query::new(words, &mut tokenizer).unwrap();
    snippet::of_source(source, format, &query, &tokenizer).unwrap()
}

/// Texts with words that differ in case, ending and diacritics, with letters from early and late
/// versions of Unicode, with and without characters in between.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "(caps?|CAPPED|capping|eyes?|dies|ies|[sS]kies|relational|relate)",
        "[a-z]{1,3}(s|es|ies|ed|eed|ing|ational|iveness|logi|bli|alli|ement|y)",
        "(Stra\u{df}e|\u{fc}ber|u\u{308}ber|UBER|\u{e9}t\u{e9}|ete\u{301}|\u{142}\u{f3}d\u{17a})",
        "[\u{3b1}-\u{3c9}\u{391}-\u{3a1}\u{430}-\u{44f}\u{4e00}-\u{4e05}]{1,3}",
        "[ .,;:'\"*()^{}_-]{1,3}",
        "[\u{300}-\u{331}\u{2014}\u{201c}\u{1f40d}\u{1f980}\u{1fae0}\u{fdd0}]",
        "\\PC",
        " ",
        " ",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// If FTS5 finds a text, it has marks; each mark alone is found, and the text without the
    /// marked parts is not.
    #[test]
    fn marked_words_are_those_that_fts5_matches(
        text in text(),
        words in "[^\\p{Cc}\\s]{1,8}",
        part in 0_usize..8,
    ) {
        // Usually a word of the text; sometimes another one.
        let words = text.split_whitespace().nth(part).unwrap_or(&words).to_owned();
        let mut tokenizer = tokenizer(&[&text]);
        let query = Query::new(&words, &mut tokenizer).unwrap();
        let all = query.all(&text, &tokenizer).unwrap();
        if query.is_empty() {
            prop_assert!(all.is_empty());
            return Ok(());
        }
        let wanted = expression(query.phrases());
        prop_assert_eq!(is_found(&text, &wanted), !all.is_empty());
        let mut rest = text.clone();
        for mark in all.into_iter().rev() {
            prop_assert!(is_found(&text[mark.clone()], &wanted));
            rest.replace_range(mark, " \u{1} qqzqq ");
        }
        prop_assert!(!is_found(&rest, &wanted), "{} in {}", wanted, rest);
    }

    #[test]
    fn marking_escapes_a_text_and_changes_nothing_else(text in text(), words in text()) {
        let html = marked(&text, &words);
        prop_assert_eq!(
            html.replace("<mark>", "").replace("</mark>", ""),
            HtmlEscape(&text).to_string()
        );
    }

    #[test]
    fn any_source_has_a_short_snippet_without_markup(
        begin in prop::collection::vec(text(), 0..30),
        source in "[ \\n|<>&;#*`\\[\\]()a-c\u{e9}\u{4e00}-]{0,400}",
        words in text(),
    ) {
        let source = begin.join("\n") + &source;
        for format in [Format::Markdown, Format::Html] {
            let html = shown(&source, format, &words);
            let plain = html.replace("<mark>", "").replace("</mark>", "");
            prop_assert!(!plain.contains(['<', '>']), "{}", html);
            let text = html_escape::decode_html_entities(&plain);
            prop_assert!(text.chars().count() <= 300, "{}", text);
        }
    }
}

#[test]
fn case_endings_and_diacritics_do_not_matter_and_other_words_are_not_marked() {
    for (text, words, expected) in [
        (
            "Cap caps CAPPED escape",
            "cap",
            "<mark>Cap</mark> <mark>caps</mark> <mark>CAPPED</mark> escape",
        ),
        (
            "über u\u{308}ber uberx",
            "UBER",
            "<mark>über</mark> <mark>u\u{308}ber</mark> uberx",
        ),
        (
            "an e-mail, e mail, mail",
            "e-mail",
            "an <mark>e-mail</mark>, <mark>e mail</mark>, mail",
        ),
        ("a b c a", "a-b b-c", "<mark>a b c</mark> a"),
        (
            "title:x cap* NEAR",
            "title:cap NEAR cap*",
            "title:x <mark>cap</mark>* <mark>NEAR</mark>",
        ),
        ("“cap”—cap", "cap", "“<mark>cap</mark>”—<mark>cap</mark>"),
        ("<b>", "b", "&lt;<mark>b</mark>&gt;"),
        ("x", "\"", "x"),
    ] {
        assert_eq!(marked(text, words), expected, "{words}");
    }
}

#[test]
fn search_has_a_limited_number_of_distinct_words() {
    let mut tokenizer = tokenizer(&[]);
    let long = "a-".repeat(5000) + " b";
    let query = Query::new(&long, &mut tokenizer).unwrap();
    assert_eq!(expression(query.phrases()).matches('a').count(), 32);
    assert!(!expression(query.phrases()).contains('b'));
    let query = Query::new(&"Cats cat ".repeat(50), &mut tokenizer).unwrap();
    assert_eq!(expression(query.phrases()), "\"Cats\"");
}

#[test]
fn a_snippet_is_around_the_first_match_that_a_reader_sees() {
    let far = format!(
        "{}\n\nHere is one wombat.\n\n{}",
        "far away \n".repeat(5000),
        "z ".repeat(500)
    );
    let html = shown(&far, Format::Markdown, "wombat");
    assert!(html.starts_with("… ") && html.ends_with(" …"), "{html}");
    assert!(html.contains("Here is one <mark>wombat</mark>."), "{html}");
    let hidden = format!(
        "[a link](/wombat)\n\n{}and a wombat",
        "word \n".repeat(2000)
    );
    let html = shown(&hidden, Format::Markdown, "wombat");
    assert!(html.ends_with("and a <mark>wombat</mark>"), "{html}");
    let html = shown(&hidden, Format::Markdown, "nothing");
    assert!(
        html.starts_with("a link word word") && html.ends_with(" …"),
        "{html}"
    );
    let html = shown("one word", Format::Markdown, "word");
    assert_eq!(html, "one <mark>word</mark>");
    let html = shown(&"a ".repeat(1000), Format::Html, "a-a");
    assert!(
        html.starts_with("<mark>a a") && html.ends_with("a</mark> …"),
        "{html}"
    );
    let run = "\u{4e00}".repeat(100_000) + " wombat " + &"\u{4e01}".repeat(100_000);
    assert!(shown(&run, Format::Html, "wombat").contains("<mark>wombat</mark>"));
}

#[test]
fn cells_headings_and_items_are_separated_in_a_snippet() {
    let source = "# One\n\n*t*wo `three` [four](/4)\nfive <i>six</i>\n\n\
                  | a | b |\n|---|---|\n| c | |\n\n- d\n- e<br>f\n\ng\n\nh";
    let plain = markdown::plain(source);
    let words: Vec<&str> = plain.split_whitespace().collect();
    assert_eq!(
        words.join(" "),
        "One · two three four five six a · b · c · d · e f · g h"
    );
    let html = "<h1>A</h1><table><tr><td>b<td >c</td><td>d</td></table>e<b>f</b> &eacute;&lt;";
    let plain = markdown::without_tags(html);
    let words: Vec<&str> = plain.split_whitespace().collect();
    assert_eq!(words.join(" "), "A · b c · d · e f é<");
}
