//! A reader of the log that stops does not delay any request.

use std::io::{PipeReader, pipe};
use std::path::Path;

use super::{Running, eventually, get, site};

/// A site whose standard error is this pipe.
fn into_a_pipe(data: &Path, more: &[&str]) -> (Running, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    let mut command = site(&[]);
    command.stderr(writer);
    (Running::spawn(command, data, more), reader)
}

/// Returns whether the status page says that lines were lost.
fn lost(page: &str) -> bool {
    page.contains("<dt>Lost</dt><dd class=alarm>")
}

#[test]
fn an_unread_log_does_not_stop_the_site() {
    let folder = tempfile::tempdir().unwrap();
    let (site, unread) = into_a_pipe(folder.path(), &[]);
    assert!(!lost(&get(site.admin, "/status").unwrap()));
    let long = format!("/?{}", "x".repeat(16 << 10));
    // The pipe is full soon, and the buffer before it a little later.
    eventually("the operators are told", || {
        assert!(
            get(site.public[0], &long)
                .unwrap()
                .starts_with("HTTP/1.1 200")
        );
        lost(&get(site.admin, "/status").unwrap())
    });
    assert!(
        get(site.public[0], "/")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    site.signal("-TERM");
    assert_eq!(site.end().0, Some(0));
    drop(unread);
}

#[test]
fn reader_of_the_log_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (site, gone) = into_a_pipe(folder.path(), &[]);
    drop(gone);
    for _ in 0..3 {
        assert!(
            get(site.public[0], "/")
                .unwrap()
                .starts_with("HTTP/1.1 200")
        );
    }
    eventually("the operators are told", || {
        lost(&get(site.admin, "/status").unwrap())
    });
    site.signal("-TERM");
    assert_eq!(site.end().0, Some(0));
}
