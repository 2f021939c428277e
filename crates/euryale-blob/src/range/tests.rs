use http::HeaderValue;
use proptest::prelude::*;

use super::{Selection, Span, select};

fn parts(spans: &[(u64, u64)]) -> Selection {
    Selection::Parts(
        spans
            .iter()
            .map(|&(first, last)| Span { first, last })
            .collect(),
    )
}

#[test]
fn ranges_select_as_in_the_table() {
    let whole = || Selection::Whole;
    let nothing = || Selection::Nothing;
    let one = |first, last| parts(&[(first, last)]);
    let len = 10_000;
    for (value, expected) in [
        // The examples of RFC 9110 §14.1.2.
        ("bytes=0-499", one(0, 499)),
        ("bytes=500-999", one(500, 999)),
        ("bytes=-500", one(9500, 9999)),
        ("bytes=9500-", one(9500, 9999)),
        ("bytes=0-0,-1", parts(&[(0, 0), (9999, 9999)])),
        (
            "bytes= 0-999, 4500-5499, -1000",
            parts(&[(0, 999), (4500, 5499), (9000, 9999)]),
        ),
        ("bytes=500-600,601-999", one(500, 999)),
        ("bytes=500-700,601-999", one(500, 999)),
        // Edges.
        ("bytes=0-0", one(0, 0)),
        ("bytes=0-", one(0, 9999)),
        ("bytes=9999-", one(9999, 9999)),
        ("bytes=9999-9999", one(9999, 9999)),
        ("bytes=9999-10000", one(9999, 9999)),
        ("bytes=0-10000", one(0, 9999)),
        ("bytes=-1", one(9999, 9999)),
        ("bytes=-9999", one(1, 9999)),
        ("bytes=-10000", one(0, 9999)),
        ("bytes=-10001", one(0, 9999)),
        ("bytes=-18446744073709551615", one(0, 9999)),
        ("bytes=-18446744073709551616", one(0, 9999)),
        ("bytes=5-99999999999999999999999", one(5, 9999)),
        ("bytes=00005-000010", one(5, 10)),
        ("BYTES=1-2", one(1, 2)),
        // All ranges are beyond the end.
        ("bytes=10000-", nothing()),
        ("bytes=10000-10001", nothing()),
        ("bytes=99999999999999999999999-", nothing()),
        ("bytes=-0", nothing()),
        ("bytes=-0,10000-", nothing()),
        // Some ranges are within the file.
        ("bytes=10000-,3-4", one(3, 4)),
        ("bytes=-0,3-4", one(3, 4)),
        // Lists: white space and empty elements (RFC 9110 §5.6.1), the requested order, joined
        // ranges.
        ("bytes=1-2 ,\t5-6", parts(&[(1, 2), (5, 6)])),
        ("bytes=,1-2,,5-6,", parts(&[(1, 2), (5, 6)])),
        ("bytes=5-6,1-2", parts(&[(5, 6), (1, 2)])),
        ("bytes=5-6,1-2,3-4", one(1, 6)),
        ("bytes=5-6,1-2,4-4", parts(&[(4, 6), (1, 2)])),
        ("bytes=1-5,1-5,1-5", one(1, 5)),
        ("bytes=0-,-1", one(0, 9999)),
        (
            "bytes=0-0,2-2,4-4,6-6,8-8",
            parts(&[(0, 0), (2, 2), (4, 4), (6, 6), (8, 8)]),
        ),
        (
            "bytes=0-0,2-2,4-4,6-6,8-8,9-9",
            parts(&[(0, 0), (2, 2), (4, 4), (6, 6), (8, 9)]),
        ),
        // Too many parts.
        ("bytes=0-0,2-2,4-4,6-6,8-8,10-10", whole()),
        // Other units and malformed lists are ignored.
        ("items=0-5", whole()),
        ("bytes", whole()),
        ("bytes=", whole()),
        ("bytes=,", whole()),
        ("bytes=-", whole()),
        ("bytes=5", whole()),
        ("bytes=5-4", whole()),
        ("bytes=1-2,5-4", whole()),
        ("bytes=a-b", whole()),
        ("bytes=1-b", whole()),
        ("bytes=+1-2", whole()),
        ("bytes=1--2", whole()),
        ("bytes=--1", whole()),
        ("bytes=0x1-2", whole()),
        ("bytes=1.0-2", whole()),
        ("bytes=1-2;3-4", whole()),
        ("bytes=1 - 2", whole()),
        ("bytes =1-2", whole()),
        ("bytes:1-2", whole()),
        ("bytes 1-2", whole()),
        ("byte=1-2", whole()),
        ("bytess=1-2", whole()),
        ("", whole()),
        ("=1-2", whole()),
    ] {
        assert_eq!(
            select(&HeaderValue::from_static(value), len),
            expected,
            "{value}"
        );
    }
}

#[test]
fn an_empty_file_is_sent_whole() {
    for value in ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-"] {
        assert_eq!(
            select(&HeaderValue::from_static(value), 0),
            Selection::Whole,
            "{value}"
        );
    }
}

#[test]
fn ranges_of_a_file_of_one_byte_are_selected() {
    assert_eq!(
        select(&HeaderValue::from_static("bytes=0-0"), 1),
        parts(&[(0, 0)])
    );
    assert_eq!(
        select(&HeaderValue::from_static("bytes=-5"), 1),
        parts(&[(0, 0)])
    );
    assert_eq!(
        select(&HeaderValue::from_static("bytes=1-"), 1),
        Selection::Nothing
    );
}

#[test]
fn ranges_of_the_longest_file_do_not_overflow() {
    assert_eq!(
        select(&HeaderValue::from_static("bytes=0-,-1"), u64::MAX),
        parts(&[(0, u64::MAX - 1)]),
        "nothing overflows"
    );
}

#[test]
fn an_excessive_list_is_ignored() {
    let list: Vec<String> = (0..101).map(|n| format!("{n}-{n}")).collect();
    let value = |n: usize| HeaderValue::try_from(format!("bytes={}", list[..n].join(","))).unwrap();
    assert_eq!(select(&value(100), 1000), parts(&[(0, 99)]));
    assert_eq!(select(&value(101), 1000), Selection::Whole);
}

proptest! {
    /// Checks byte by byte, by the definition of each range, that exactly the requested bytes are
    /// selected.
    #[test]
    fn exactly_the_requested_bytes_are_selected(
        specs in prop::collection::vec((0_u64..80, 0_u64..80, 0_u8..3), 1..8),
        len in 1_u64..60,
    ) {
        let mut asked = vec![false; 60];
        let mut list = Vec::new();
        for (a, b, kind) in specs {
            let first = a.min(b);
            let last = a.max(b);
            let spec = match kind {
                0 => format!("{first}-{last}"),
                1 => format!("{first}-"),
                _ => format!("-{first}"),
            };
            list.push(spec);
            for byte in 0..len {
                asked[byte as usize] |= match kind {
                    0 => first <= byte && byte <= last,
                    1 => first <= byte,
                    _ => byte + first >= len,
                };
            }
        }
        let value = HeaderValue::try_from(format!("bytes={}", list.join(","))).unwrap();
        let runs = asked.split(|byte| !byte).filter(|run| !run.is_empty()).count();
        match select(&value, len) {
            Selection::Whole => prop_assert!(runs > 5),
            Selection::Nothing => prop_assert_eq!(runs, 0),
            Selection::Parts(spans) => {
                prop_assert_eq!(spans.len(), runs);
                let mut selected = vec![false; 60];
                for span in spans {
                    for byte in span.first..=span.last {
                        prop_assert!(!selected[byte as usize], "no byte twice");
                        selected[byte as usize] = true;
                    }
                }
                prop_assert_eq!(selected, asked);
            }
        }
    }

    #[test]
    fn no_value_panics(value in "[ -~\t]{0,60}", len in any::<u64>()) {
        if let Ok(value) = HeaderValue::try_from(value) {
            let _ = select(&value, len);
        }
    }
}
