use proptest::prelude::*;

use super::{Refused, Start};

const PLAIN: [(&str, &str); 1] = [("Content-Type", "text/plain")];

fn refused(status: &str, headers: &[(&str, &str)]) -> Refused {
    let mut start = Start::default();
    let refused = start.start(status, headers.iter().copied(), false);
    assert!(start.head().is_none(), "a refused head is not kept");
    refused.unwrap_err()
}

#[test]
fn a_second_start_needs_exc_info_and_replaces_the_first() {
    let mut start = Start::default();
    start.start("200 OK", [("X-First", "1")], false).unwrap();
    assert_eq!(start.start("200 OK", PLAIN, false), Err(Refused::Again));
    start.start("500 Oops", [("X-Second", "1")], true).unwrap();
    let head = start.head().unwrap();
    assert_eq!(head.status, 500);
    assert_eq!(head.reason.as_ref().unwrap().as_bytes(), b"Oops");
    assert!(head.headers.contains_key("x-second"));
    assert!(!head.headers.contains_key("x-first"));
}

#[test]
fn a_start_after_the_first_block_raises_the_exception_again() {
    let mut start = Start::default();
    start.start("200 OK", PLAIN, false).unwrap();
    start.send().unwrap();
    assert_eq!(start.start("500 Oops", PLAIN, true), Err(Refused::Reraise));
    assert_eq!(start.start("500 Oops", PLAIN, false), Err(Refused::Again));
    assert_eq!(start.head().unwrap().status, 200);
}

#[test]
fn the_first_start_may_have_exc_info() {
    let mut start = Start::default();
    start.start("500 Oops", PLAIN, true).unwrap();
    assert_eq!(start.head().unwrap().status, 500);
}

#[test]
fn a_block_before_the_start_is_refused() {
    assert_eq!(Start::default().send(), Err(Refused::NotStarted));
}

#[test]
fn a_status_is_three_digits_and_a_phrase() {
    let mut start = Start::default();
    start.start("299", PLAIN, false).unwrap();
    assert!(start.head().unwrap().reason.is_none());
    for status in [
        "",
        "OK",
        "20 OK",
        "2000 OK",
        "+20 OK",
        "100 Continue",
        "99 x",
        "200\r\nX: 1",
    ] {
        assert_eq!(refused(status, &PLAIN), Refused::Status(status.into()));
    }
    assert!(matches!(
        refused("200 \r\nX: 1", &PLAIN),
        Refused::Status(_)
    ));
}

#[test]
fn fields_of_the_connection_are_the_servers() {
    for name in [
        "Connection",
        "transfer-encoding",
        "Keep-Alive",
        "TE",
        "Upgrade",
    ] {
        let refused = refused("200 OK", &[(name, "x")]);
        assert_eq!(refused, Refused::HopByHop(name.into()));
        assert!(refused.is_assertion());
    }
}

#[test]
fn a_field_cannot_carry_another_one() {
    let injected = refused("200 OK", &[("X-A", "1\r\nX-B: 2")]);
    assert_eq!(injected, Refused::HeaderValue("X-A".into()));
    let named = refused("200 OK", &[("X-A: 1\r\nX-B", "2")]);
    assert!(matches!(named, Refused::HeaderName(_)));
    let wide = refused("200 OK", &[("X-A", "\u{20ac}")]);
    assert_eq!(wide, Refused::NotLatin1("X-A".into()));
    assert!(!wide.is_assertion());
}

#[test]
fn lengths_that_differ_are_refused() {
    let two = [("Content-Length", "3"), ("content-length", "4")];
    assert_eq!(refused("200 OK", &two), Refused::ContentLength);
    for text in ["-1", "+3", "3, 3", "0x3", "", "99999999999999999999"] {
        let refused = refused("200 OK", &[("Content-Length", text)]);
        assert_eq!(refused, Refused::ContentLength, "{text}");
    }
    let mut start = Start::default();
    let same = [("Content-Length", "3"), ("Content-Length", "3")];
    start.start("200 OK", same, false).unwrap();
    assert_eq!(start.head().unwrap().length, Some(3));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(
        status in ".{0,12}",
        name in ".{0,12}",
        value in ".{0,24}",
        has_exc_info: bool,
    ) {
        let mut start = Start::default();
        let fields = [(&name[..], &value[..])];
        if start.start(&status, fields, has_exc_info).is_ok() {
            let head = start.head().expect("a head");
            prop_assert!((200..=999).contains(&head.status.as_u16()));
            let count = head.headers.len() + usize::from(head.length.is_some());
            prop_assert_eq!(count, 1);
        }
    }
}
