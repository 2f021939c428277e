//! Tests which files of a crate are found to import each other.

use crate::rules::Finding;
use crate::rules::cycles::check;

fn of(files: &[(&str, &str)]) -> Vec<Finding> {
    let files: Vec<(String, String)> = files
        .iter()
        .map(|(path, text)| (format!("crates/x/src/{path}"), (*text).to_owned()))
        .collect();
    check("crates/x/src/", &files)
}

/// The root, and four files of which each imports the next one, in this way.
fn ring(imports: [&str; 4]) -> Vec<Finding> {
    let [a, b, c, d] = imports;
    of(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\npub use a::A;\n"),
        ("a.rs", &format!("pub struct A;\n{a}")),
        ("b.rs", &format!("pub struct B;\n{b}")),
        ("c.rs", &format!("pub struct C;\n{c}")),
        ("d.rs", &format!("pub struct D;\n{d}")),
    ])
}

const RING: [&str; 4] = [
    "use crate::b::B;\n",
    "use crate::c::C;\n",
    "use crate::d::D;\n",
    "use crate::a::A;\n",
];

fn ring_with(last: &str) -> usize {
    let [a, b, c, _] = RING;
    ring([a, b, c, last]).len()
}

#[test]
fn four_files_in_a_cycle_are_found() {
    let findings = ring(RING);
    let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "crates/x/src/a.rs:2: 4 files import each other: `a` imports `b`; `b` imports `c`; \
             `c` imports `d`; `d` imports `a` - move what they share into a file that imports \
             none of them; at most 3 may form a cycle"
        ]
    );
}

#[test]
fn three_files_in_a_cycle_are_allowed() {
    let [a, b, _, _] = RING;
    assert_eq!(ring([a, b, "use crate::a::A;\n", ""]), []);
}

#[test]
fn two_cycles_that_share_no_file_are_two() {
    let [a, b, c, _] = RING;
    assert_eq!(ring(["use crate::b::B;", "use crate::a::A;", c, ""]), []);
    assert_eq!(ring([a, b, c, ""]), []);
}

#[test]
fn every_way_to_name_an_item_counts() {
    for last in [
        "use super::a::A;\n",
        "use super::{a, b};\n",
        "use crate::{b::B, a::{self as first}};\n",
        "fn d() -> crate::a::A { new() }\n",
        "fn d() { super::a::f() }\n",
        // Through the name that the root hands on.
        "use crate::A;\n",
        "use super::*;\nfn d() -> crate::A { new() }\n",
        "mod inner {\n    use super::super::a::A;\n}\n",
    ] {
        assert_eq!(ring_with(last), 1, "{last}");
    }
}

#[test]
fn text_that_only_looks_like_an_import_does_not_count() {
    for last in [
        "// use crate::a::A;\n",
        "const D: &str = \"crate::a::A\";\n",
        "use other::a::A;\n",
        "#[cfg(test)]\nuse crate::a::A;\n",
        "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n    fn f(_: A) {}\n}\n",
        "fn d<'a>() -> impl Sized + use<'a> {}\n",
        "mod inner {\n    use super::a::A;\n}\n",
    ] {
        assert_eq!(ring_with(last), 0, "{last}");
    }
}

#[test]
fn code_after_what_is_only_for_tests_counts() {
    let last = "#[cfg(test)]\nmod tests {\n    fn f() { g(); }\n}\nuse crate::a::A;\n";
    assert_eq!(ring_with(last), 1);
}

#[test]
fn a_file_and_its_parts_can_be_a_cycle() {
    let part = "use super::Whole;\npub struct Part;\n";
    let whole = "mod a;\nmod b;\nmod c;\nuse a::Part;\npub struct Whole(Part, b::Part, c::Part);\n";
    let files = [
        ("main.rs", "mod whole;\n"),
        ("whole.rs", whole),
        ("whole/a.rs", part),
        ("whole/b.rs", part),
        ("whole/c.rs", part),
    ];
    assert_eq!(of(&files).len(), 1);
    assert_eq!(of(&files[..4]), []);
}

#[test]
fn handing_a_name_on_is_not_an_import() {
    let part = "use super::c::C;\npub struct P;\n";
    let files = [
        ("lib.rs", "pub mod whole;\n"),
        (
            "whole.rs",
            "mod a;\nmod b;\nmod c;\npub use a::P;\npub use c::*;\n",
        ),
        ("whole/a.rs", part),
        ("whole/b.rs", part),
        ("whole/c.rs", "pub struct C;\n"),
    ];
    assert_eq!(of(&files), []);
}

#[test]
fn tests_may_import_what_they_like() {
    let [a, b, _, d] = RING;
    let files = [
        (
            "lib.rs",
            "mod a;\nmod b;\nmod c;\n#[cfg(test)]\nmod tests;\n",
        ),
        ("a.rs", a),
        ("b.rs", b),
        ("c.rs", "use crate::tests::d::D;\n"),
        ("tests/d.rs", d),
    ];
    assert_eq!(of(&files), []);
}
