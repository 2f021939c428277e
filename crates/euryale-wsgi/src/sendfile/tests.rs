use std::path::PathBuf;

use proptest::prelude::*;

use super::NamedFile;
use crate::Mount;

fn mount() -> Mount {
    Mount {
        url: "/protected".into(),
        folder: "/srv/media".into(),
    }
}

fn below(field: &str, value: &str) -> Vec<PathBuf> {
    let named = NamedFile::of(field, value.as_bytes()).unwrap();
    named.below(&mount())
}

#[test]
fn paths_and_urls_below_the_folder_are_found() {
    for (field, value, names) in [
        ("x-sendfile", "/srv/media/a.pdf", &["a.pdf"][..]),
        ("x-sendfile", "/srv/media/a b/ü.pdf", &["a b/ü.pdf"]),
        ("x-sendfile", "/srv/media/a%20b", &["a%20b", "a b"]),
        ("x-accel-redirect", "/protected/a%20b/c.pdf", &["a b/c.pdf"]),
        ("x-accel-redirect", "/protected/a?b=c", &["a"]),
        ("x-accel-redirect", "/protected/a%3Fb", &["a?b"]),
    ] {
        let names: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
        assert_eq!(below(field, value), names, "{field}: {value}");
    }
}

#[test]
fn everything_else_is_outside() {
    for value in [
        "",
        "/",
        "/srv/media",
        "/srv/media/",
        "/srv/mediator/a",
        "/srv/media/../secret",
        "/srv/media/a/../../secret",
        "/srv/media/%2e%2e/secret/..",
        "/srv/media/a\0b",
        "srv/media/a",
        "/etc/passwd",
        "/protected/a",
    ] {
        assert!(below("x-sendfile", value).is_empty(), "{value}");
    }
    for value in [
        "",
        "/",
        "/protected",
        "/protected/",
        "/protectedly/a",
        "/protected/../a",
        "/protected/%2e%2e/a",
        "/protected/..%2fa",
        "/protected/%2fetc/passwd",
        "/protected/a%00",
        "protected/a",
        "http://a/protected/a",
        "/srv/media/a",
        "@named",
    ] {
        assert!(below("x-accel-redirect", value).is_empty(), "{value}");
    }
}

proptest! {
    #[test]
    fn no_name_has_a_way_up(value in "(/srv/media|/protected)?[/.%2efEF0a]{0,20}") {
        for field in ["x-sendfile", "x-accel-redirect"] {
            for name in below(field, &value) {
                prop_assert!(name.is_relative());
                prop_assert!(name.iter().all(|part| part != ".."));
            }
        }
    }
}
