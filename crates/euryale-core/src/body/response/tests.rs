use std::future::poll_fn;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::body::{Blob, BlobChunks, BlobHandle, Body, DeferredHandle, ReadBlob, SpooledBody};
use crate::error::BoxError;
use crate::ledger::{Gauge, GaugeGuard, Ledger};
use crate::request::Response;

fn file(content: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    file
}

async fn read(body: Body) -> Result<Bytes, BoxError> {
    Ok(body.collect().await?.to_bytes())
}

#[tokio::test]
async fn a_blob_streams_itself() {
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let blob = Blob::new(file(&content)).unwrap();
    let body = Body::from(blob.slice(10, 150_000));
    assert_eq!(body.size_hint().exact(), Some(150_000));
    assert_eq!(read(body).await.unwrap(), content[10..150_010]);
    assert_eq!(blob.slice(199_999, 5).len(), 1, "cut off at the end");
    assert!(blob.slice(300_000, 5).is_empty());
}

#[tokio::test]
async fn a_file_that_became_shorter_is_an_error() {
    let file = file(&[7; 100_000]);
    let blob = Blob::new(file.try_clone().unwrap()).unwrap();
    file.set_len(70_000).unwrap();
    let mut body = Body::from(blob);
    let mut bytes = 0;
    let error = loop {
        match body.frame().await {
            Some(Ok(frame)) => bytes += frame.into_data().unwrap().len(),
            Some(Err(error)) => break error,
            None => panic!("a clean end after {bytes} bytes"),
        }
    };
    assert_eq!(bytes, 70_000);
    assert!(error.to_string().contains("shorter"), "{error}");
}

#[test]
fn a_response_has_the_media_type_of_its_blob_unless_it_has_one() {
    let blob = Blob::new(file(b"{}")).unwrap();
    let json = HeaderValue::from_static("application/json");
    let typed = blob.clone().typed(json).slice(0, 1);
    let sent = |blob: &Blob, own: Option<&'static str>| {
        let mut response = Response::new(Body::from(blob.clone()));
        let own = own.map(|own| (CONTENT_TYPE, HeaderValue::from_static(own)));
        response.headers_mut().extend(own);
        Body::publish_handle(&mut response, &Ledger::new());
        let media_type = response.headers().get(CONTENT_TYPE);
        media_type.map(|media_type| media_type.to_str().unwrap().to_owned())
    };
    assert_eq!(sent(&blob, None), None);
    assert_eq!(sent(&typed, None).as_deref(), Some("application/json"));
    assert_eq!(
        sent(&typed, Some("text/plain")).as_deref(),
        Some("text/plain")
    );
    assert_eq!(
        Response::from(typed).headers()[CONTENT_TYPE],
        "application/json"
    );
}

#[test]
fn a_blob_is_counted_once_however_it_became_a_response() {
    let ledger = Ledger::new();
    let blob = Blob::new(file(b"{}")).unwrap();
    for mut response in [
        Response::new(Body::from(blob.clone())),
        Response::from(blob.clone()),
    ] {
        for _ in 0..2 {
            Body::publish_handle(&mut response, &ledger);
            assert_eq!(ledger.blobs.open.get(), 1);
        }
        drop(response);
        assert_eq!(ledger.blobs.open.get(), 0);
    }
}

#[test]
fn a_folder_is_no_blob() {
    let folder = std::fs::File::open(std::env::temp_dir()).unwrap();
    assert!(
        Blob::new(folder)
            .unwrap_err()
            .to_string()
            .contains("regular file")
    );
}

#[test]
fn outside_a_runtime_a_blob_fails_instead_of_blocking() {
    let mut body = Body::from(Blob::new(file(b"text")).unwrap());
    let mut poll = std::pin::pin!(poll_fn(move |cx| Pin::new(&mut body).poll_frame(cx)));
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let frame = Future::poll(poll.as_mut(), &mut cx);
    assert!(matches!(frame, std::task::Poll::Ready(Some(Err(_)))));
}

#[tokio::test]
async fn a_handle_takes_the_blob_out_of_its_body() {
    let ledger = Ledger::new();
    let mut response = Response::new(Body::from(Blob::new(file(b"text")).unwrap()));
    Body::publish_handle(&mut response, &ledger);
    Body::publish_handle(&mut response, &ledger);
    assert_eq!(ledger.blobs.open.get(), 1, "counted once");
    let handle = response.extensions().get::<BlobHandle>().unwrap().clone();
    assert_eq!(handle.len(), response.body().size_hint().exact().unwrap());
    let blob = handle.take().unwrap();
    assert!(handle.take().is_none());
    assert!(
        read(response.into_body())
            .await
            .unwrap_err()
            .to_string()
            .contains("took the blob")
    );
    assert_eq!(ledger.blobs.open.get(), 1);
    drop(blob);
    assert_eq!(ledger.blobs.open.get(), 0);
}

#[tokio::test]
async fn a_deferred_response_resolves_in_its_body() {
    let later = |status: u16| {
        Body::deferred(async move {
            let mut response = Response::new(Body::from("later"));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            Ok::<_, BoxError>(response)
        })
    };
    assert_eq!(read(later(200)).await.unwrap(), "later");
    let error = read(later(404)).await.unwrap_err();
    assert!(
        error.to_string().contains("404"),
        "the head is gone: {error}"
    );
    let mut failed = later(404);
    assert!(failed.frame().await.unwrap().is_err());
    assert!(failed.frame().await.is_none(), "once is enough");
    let failed = Body::deferred(async { Err::<Response, BoxError>("upstream".into()) });
    assert_eq!(read(failed).await.unwrap_err().to_string(), "upstream");

    let mut response = Response::new(later(200));
    Body::publish_handle(&mut response, &Ledger::new());
    let deferred = response
        .extensions()
        .get::<DeferredHandle>()
        .unwrap()
        .take()
        .unwrap();
    assert_eq!(
        read(deferred.await.unwrap().into_body()).await.unwrap(),
        "later"
    );
    assert!(read(response.into_body()).await.is_err());
}

#[tokio::test]
async fn a_response_to_head_keeps_its_size_and_drops_its_body() {
    let body = Body::from("twelve bytes").head_only();
    assert_eq!(body.size_hint().exact(), Some(12));
    assert!(read(body).await.unwrap().is_empty());
    let deferred = Body::deferred(async { panic!("not started") as Result<Response, BoxError> });
    assert!(read(deferred.head_only()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_in_a_box_is_not_boxed_again() {
    let body = Body::new(Body::from(Blob::new(file(b"text")).unwrap()));
    assert_eq!(format!("{body:?}"), "Body::Blob");
    let body = Body::new(http_body_util::Full::new(Bytes::from("full")));
    assert_eq!(body.size_hint().exact(), Some(4));
    assert_eq!(read(body).await.unwrap(), "full");
}

#[tokio::test]
async fn a_spooled_body_reads_and_seeks_alike_in_memory_and_in_a_file() {
    let held = Gauge::default();
    let content = b"0123456789";
    for body in [
        SpooledBody::from(content.to_vec()),
        SpooledBody::file(file(content)).unwrap(),
    ] {
        let counted = GaugeGuard::new(&held, 10);
        let mut body = body.held_with(counted);
        let mut three = [0; 3];
        body.read_exact(&mut three).unwrap();
        assert_eq!(&three, b"012");
        let mut all = String::new();
        body.clone().read_to_string(&mut all).unwrap();
        assert_eq!(all.as_bytes(), content, "a clone reads from the beginning");
        assert_eq!(body.seek(SeekFrom::End(-1)).unwrap(), 9);
        assert_eq!(body.read(&mut three).unwrap(), 1);
        assert_eq!(body.read(&mut three).unwrap(), 0, "the end");
        assert_eq!(
            body.seek(SeekFrom::Start(50)).unwrap(),
            50,
            "beyond the end is allowed"
        );
        assert_eq!(body.read(&mut three).unwrap(), 0);
        assert!(body.seek(SeekFrom::Current(-51)).is_err());
        assert_eq!(body.to_bytes().unwrap(), content.as_slice());
        let clone = body.clone();
        drop(body);
        assert_eq!(held.get(), 10, "held as long as a clone");
        assert_eq!(read(clone.into()).await.unwrap(), content.as_slice());
        assert_eq!(held.get(), 0);
    }
}

/// Reads a blob as a list of chunks, regardless of the file's content.
struct Chunks(Vec<&'static str>);

impl ReadBlob for Chunks {
    fn read(&self, _blob: Blob) -> Box<dyn BlobChunks> {
        Box::new(Self(self.0.clone()))
    }
}

impl BlobChunks for Chunks {
    fn poll_chunk(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        Poll::Ready(Ok(Bytes::from_static(self.0.remove(0).as_bytes())))
    }
}

#[tokio::test]
async fn a_layer_says_how_a_blob_is_read() {
    let cases: [(&[&str], bool); 4] = [
        (&["0123", "456789"], true),
        (&["0123456789"], true),
        (&["0123", ""], false),
        (&["0123", "4567890"], false),
    ];
    for (chunks, is_whole) in cases {
        let blob = Blob::new(file(b"abcdefghij")).unwrap();
        let mut response = Response::new(Body::from(blob));
        Body::publish_handle(&mut response, &Ledger::new());
        let handle = response.extensions().get::<BlobHandle>().unwrap().clone();
        handle.read_by(Arc::new(Chunks(vec!["not these"])));
        handle.read_by(Arc::new(Chunks(chunks.to_vec())));
        assert_eq!(handle.blob().map(|blob| blob.len()), Some(10));
        let read = response
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes);
        assert!(
            handle.take().is_none() && handle.blob().is_none(),
            "it was read"
        );
        match read {
            Ok(bytes) => assert!(is_whole && bytes == "0123456789", "{chunks:?}"),
            Err(error) => assert!(!is_whole, "{chunks:?}: {error}"),
        }
    }
}

#[cfg(feature = "fs")]
#[tokio::test]
async fn a_file_of_tokio_is_a_blob() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    std::fs::write(&path, "content").unwrap();
    let file = tokio::fs::File::open(path).await.unwrap();
    let blob = Blob::try_from(file).unwrap();
    assert!(!blob.is_stable(), "others may have it open to write");
    #[expect(
        unsafe_code,
        reason = "no other way makes a stable blob of such a file"
    )]
    // SAFETY: only this test has the file.
    let stable = unsafe { blob.clone().assume_stable() };
    assert!(stable.slice(0, 3).is_stable());
    let body = Body::from(blob);
    assert_eq!(body.collect().await.unwrap().to_bytes(), "content");
    let folder = tokio::fs::File::open(folder.path()).await.unwrap();
    assert_eq!(
        Blob::try_from(folder).unwrap_err().kind(),
        io::ErrorKind::InvalidInput
    );
}
