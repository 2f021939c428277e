#![cfg(target_os = "linux")]

use std::fs::File;
use std::io::{Read, Seek, Write};

use super::SpooledBody;
use crate::body::Blob;

fn file(content: &str) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

fn reopened(body: &SpooledBody) -> File {
    body.reopen().unwrap().unwrap()
}

#[test]
fn each_reopened_file_has_a_position_of_its_own() {
    let mut body = SpooledBody::file(file("Stheno, Euryale")).unwrap();
    let mut start = [0; 6];
    body.read_exact(&mut start).unwrap();
    let mut first = reopened(&body);
    first.read_exact(&mut start).unwrap();
    assert_eq!(
        &start, b"Stheno",
        "from the beginning, whatever was read before"
    );
    let mut second = reopened(&body);
    assert_eq!(first.stream_position().unwrap(), 6);
    assert_eq!(second.stream_position().unwrap(), 0);
    let mut rest = String::new();
    body.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, ", Euryale", "the body itself reads on where it was");
    second.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, ", EuryaleStheno, Euryale");
}

#[test]
fn a_reopened_file_cannot_be_written_to() {
    let body = SpooledBody::file(file("Stheno")).unwrap();
    reopened(&body).write_all(b"Medusa").unwrap_err();
    assert_eq!(body.to_bytes().unwrap(), "Stheno");
}

#[test]
fn a_reopened_file_outlives_its_body() {
    let body = SpooledBody::file(file("Stheno")).unwrap();
    let mut again = reopened(&body);
    drop(body);
    let mut text = String::new();
    again.read_to_string(&mut text).unwrap();
    assert_eq!(text, "Stheno");
}

#[test]
fn a_slice_is_reopened_at_its_beginning() {
    let blob = Blob::new(file("Stheno, Euryale")).unwrap().slice(8, 7);
    let mut text = String::new();
    let mut again = reopened(&SpooledBody::from(blob));
    again.read_to_string(&mut text).unwrap();
    assert_eq!(text, "Euryale");
}

#[test]
fn a_body_in_memory_has_no_file_to_reopen() {
    assert!(SpooledBody::from("Stheno").reopen().unwrap().is_none());
}
