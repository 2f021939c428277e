//! Answers that name a file.

use http::Method;

use super::{Fake, begun, read, response, started};
use crate::{Limits, NamedFile};

const NAMED: (&str, &str) = ("X-Accel-Redirect", "/protected/a");

fn file() -> NamedFile {
    NamedFile::Url(b"/protected/a".to_vec())
}

#[test]
fn a_named_file_replaces_the_body_and_leaves_the_head_without_its_field() {
    let length = ("Content-Length", "10");
    let exchange = started(&[("Content-Type", "a/b"), length, NAMED]);
    exchange
        .run(Fake::new(&[b"one", b"two"]), || false)
        .unwrap();
    assert_eq!(exchange.wrong_length(), None, "the length is the file's");
    let answer = response(&exchange);
    assert_eq!(answer.extensions().get(), Some(&file()));
    assert_eq!(answer.headers().len(), 1);
    assert_eq!(answer.headers()["content-type"], "a/b");
    assert_eq!(read(answer), (Vec::new(), true));
}

#[test]
fn the_iterable_is_closed_and_its_blocks_are_not_kept() {
    let limits = Limits {
        memory: 1,
        total: 1,
    };
    let exchange = begun(&Method::GET, limits);
    exchange.start_response("200 OK", [NAMED], false).unwrap();
    let fake = Fake::new(&[b"longer than the limit", b"two"]);
    let closed = fake.closed.clone();
    exchange.run(fake, || false).unwrap();
    assert_eq!(closed.get(), 1);
    assert!(exchange.incomplete().is_none());
    assert_eq!(response(&exchange).extensions().get(), Some(&file()));
}

#[test]
fn a_part_that_the_application_chose_is_forgotten() {
    let exchange = begun(&Method::GET, Limits::default());
    let headers = [("Content-Range", "bytes 2-4/10"), ("ETag", "\"a\""), NAMED];
    let started = exchange.start_response("206 Partial Content", headers, false);
    started.unwrap();
    let answer = response(&exchange);
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().len(), 1);
    assert_eq!(answer.headers()["etag"], "\"a\"");
}

#[test]
fn an_answer_without_a_body_names_no_file() {
    for status in ["204 No Content", "304 Not Modified"] {
        let exchange = begun(&Method::GET, Limits::default());
        exchange.start_response(status, [NAMED], false).unwrap();
        let answer = response(&exchange);
        assert_eq!(answer.extensions().get::<NamedFile>(), None);
        assert!(answer.headers().is_empty());
    }
}

#[test]
fn a_replaced_head_names_no_file() {
    let exchange = started(&[NAMED]);
    let plain = [("Content-Type", "a/b")];
    exchange.start_response("500 Error", plain, true).unwrap();
    exchange.run(Fake::new(&[b"sorry"]), || false).unwrap();
    let answer = response(&exchange);
    assert_eq!(answer.extensions().get::<NamedFile>(), None);
    assert_eq!(read(answer).0, b"sorry");
}
