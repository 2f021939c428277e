//! Tests of complete bodies: passing them on, reading them asynchronously, and keeping them under a
//! name.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;

use bytes::Bytes;
use euryale_core::body::SpooledBody;
use euryale_core::{Body, Error, Ledger, Request};
use euryale_test::assert_quiet;
use http_body_util::{BodyExt, Full};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::{SpoolBook, SpoolLayer};

/// Returns a body that `layer` has spooled.
async fn spooled(layer: SpoolLayer, content: &[u8]) -> SpooledBody {
    let service =
        ServiceBuilder::new()
            .layer(layer)
            .service(service_fn(async |request: Request| {
                Ok::<_, Error>(request.into_body())
            }));
    let body = Full::new(Bytes::copy_from_slice(content));
    service.oneshot(http::Request::new(body)).await.unwrap()
}

fn inode(body: &SpooledBody) -> Option<u64> {
    body.as_file().map(|file| file.metadata().unwrap().ino())
}

#[tokio::test]
async fn a_file_is_linked_into_place_and_a_body_in_memory_written_there() {
    let folder = tempfile::tempdir().unwrap();
    let content = "Gorgon ".repeat(1000).into_bytes();
    for memory in [0, 1 << 20] {
        let body = spooled(
            SpoolLayer::new().memory(memory).directory(folder.path()),
            &content,
        )
        .await;
        let path = folder.path().join(memory.to_string());
        body.persist(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), content);
        if let Some(inode) = inode(&body) {
            assert_eq!(
                fs::metadata(&path).unwrap().ino(),
                inode,
                "the same file: nothing was copied"
            );
        }
        assert_eq!(body.to_bytes().unwrap(), content, "the body is what it was");
        drop(body);
        assert_eq!(fs::read(&path).unwrap(), content, "what has a name stays");
    }
}

#[tokio::test]
async fn an_existing_file_is_kept_and_a_missing_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    fs::write(&taken, "other").unwrap();
    for memory in [0, 1 << 20] {
        let body = spooled(
            SpoolLayer::new().memory(memory).directory(folder.path()),
            b"content",
        )
        .await;
        assert_eq!(
            body.persist(&taken).unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        let nowhere = folder.path().join("missing/file");
        assert_eq!(
            body.persist(nowhere).unwrap_err().kind(),
            ErrorKind::NotFound
        );
    }
    assert_eq!(fs::read_to_string(taken).unwrap(), "other");
}

#[tokio::test]
async fn a_file_on_another_file_system_is_copied() {
    let here = tempfile::tempdir().unwrap();
    let there = tempfile::tempdir_in("/dev/shm").unwrap();
    let device = |folder: &tempfile::TempDir| fs::metadata(folder.path()).unwrap().dev();
    if device(&here) == device(&there) {
        euryale_test::skip("one file system serves /tmp and /dev/shm");
        return;
    }
    let body = spooled(
        SpoolLayer::new().memory(0).directory(here.path()),
        b"content",
    )
    .await;
    let path = there.path().join("copy");
    body.persist(&path).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "content");
    assert_ne!(Some(fs::metadata(&path).unwrap().ino()), inode(&body));
}

#[tokio::test]
async fn a_second_spool_does_not_spool_a_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::new();
    let layer = SpoolLayer::new()
        .memory(0)
        .directory(folder.path())
        .ledger(ledger.clone());
    let first = spooled(layer.clone(), b"content").await;
    let before = inode(&first);
    let mut service =
        ServiceBuilder::new()
            .layer(layer)
            .service(service_fn(async |request: Request| {
                Ok::<_, Error>(request.into_body())
            }));
    let second = service
        .call(http::Request::new(Body::from(first)))
        .await
        .unwrap();
    assert_eq!(
        (inode(&second), ledger.of::<SpoolBook>().files.get()),
        (before, 1)
    );
    assert_eq!(second.to_bytes().unwrap(), "content");
    drop(second);
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn a_spooled_body_is_read_asynchronously_and_counted_until_then() {
    for memory in [0, 1 << 20] {
        let ledger = Ledger::new();
        let body = spooled(
            SpoolLayer::new().memory(memory).ledger(ledger.clone()),
            b"content",
        )
        .await;
        let read = Body::from(body.clone()).collect().await.unwrap().to_bytes();
        assert_eq!(read, "content");
        drop(body);
        let is_counted = ledger.of::<SpoolBook>().bytes.get() == 7;
        assert_eq!(is_counted, memory > 0, "memory is held by whoever reads it");
        drop(read);
        assert_quiet(&ledger).await;
    }
}
