use proptest::prelude::*;

use super::{Tag, tags};

fn parsed(list: &str) -> Vec<(bool, &str)> {
    let text = |tag: Tag<'_>| (tag.weak, tag.opaque.to_vec());
    let found: Vec<_> = tags(list.as_bytes()).map(text).collect();
    found
        .into_iter()
        .map(|(weak, opaque)| {
            let text = String::from_utf8(opaque).unwrap();
            (
                weak,
                &list[list.find(&format!("\"{text}\"")).unwrap() + 1..][..text.len()],
            )
        })
        .collect()
}

#[test]
fn lists_of_tags_are_parsed() {
    for (list, expected) in [
        ("\"a\"", vec![(false, "a")]),
        ("W/\"a\", \"b\"", vec![(true, "a"), (false, "b")]),
        ("\"a,b\",\"c\"", vec![(false, "a,b"), (false, "c")]),
        (" ,, \"a\" ,", vec![(false, "a")]),
        ("\"\"", vec![(false, "")]),
        ("\"\u{fc}\"", vec![(false, "\u{fc}")]),
        ("a, \"b\"", vec![(false, "b")]),
        ("\"a\" x, \"b\"", vec![(false, "a"), (false, "b")]),
        ("\"a", vec![]),
        ("\"a b\"", vec![]),
        ("w/\"a\"", vec![]),
        ("*", vec![]),
        ("", vec![]),
    ] {
        assert_eq!(parsed(list), expected, "{list}");
    }
}

proptest! {
    #[test]
    fn every_list_of_tags_terminates(list in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(tags(&list).count() <= list.len());
    }
}
