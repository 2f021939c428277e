//! Tests of ranges, from the request to the bytes.

use euryale_core::body::BlobHandle;
use euryale_core::{Blob, Body, Response};
use euryale_test::assert_quiet;
use http::Request;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tower::ServiceExt;

use super::{Answer, ask, blob_of, content, get, layer, serving};
use crate::BlobBook;

#[tokio::test]
async fn one_part_is_sent_at_every_edge() {
    let all = content(200_000);
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=1-1", 1, 1),
        ("bytes=199999-", 199_999, 199_999),
        ("bytes=-1", 199_999, 199_999),
        ("bytes=-300000", 0, 199_999),
        ("bytes=-18446744073709551615", 0, 199_999),
        ("bytes=0-", 0, 199_999),
        ("bytes=65535-65536", 65_535, 65_536),
        ("bytes=32767-98304", 32_767, 98_304),
        ("bytes=100-200,150-300", 100, 300),
    ] {
        let answer = get(&all, &[("range", range)]).await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(
            answer.header("content-range"),
            format!("bytes {first}-{last}/200000")
        );
        assert_eq!(answer.size, Some(last as u64 - first as u64 + 1));
        assert!(answer.body == all[first..=last], "{range}");
        assert!(
            answer.headers.contains_key("etag") && answer.headers.contains_key("last-modified")
        );
    }
}

#[tokio::test]
async fn one_part_of_a_blob_is_a_blob() {
    let (layer, ledger) = layer();
    let service = serving(&layer, || Response::new(Body::from(blob_of(b"0123456789"))));
    let request = Request::get("/")
        .header("range", "bytes=3-5")
        .body(())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    let handle = response
        .extensions()
        .get::<BlobHandle>()
        .expect("whoever sends files finds it")
        .clone();
    assert_eq!((handle.len(), ledger.blobs.open.get()), (3, 1));
    let blob = handle.blob().unwrap();
    assert_eq!((blob.offset(), blob.len()), (3, 3));
    drop((handle, blob));
    assert_eq!(&Answer::of(response).await.body[..], b"345");
    assert_eq!(
        (
            ledger.of::<BlobBook>().read.get(),
            ledger.of::<BlobBook>().read_bytes.get()
        ),
        (1, 3)
    );
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn fields_of_the_whole_file_are_removed_from_a_part() {
    let given = [
        ("content-length", "10"),
        ("content-digest", "x"),
        ("content-type", "a/b"),
        ("vary", "cookie"),
    ];
    let answer = ask("GET", b"0123456789", &[("range", "bytes=1-2")], &given).await;
    assert_eq!(
        (answer.header("content-type"), answer.header("vary")),
        ("a/b", "cookie")
    );
    assert!(
        !answer.headers.contains_key("content-length")
            && !answer.headers.contains_key("content-digest")
    );
}

#[tokio::test]
async fn several_parts_share_one_descriptor() {
    let (layer, ledger) = layer();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "0123456789").unwrap();
    let service = serving(&layer, move || {
        let mut response = Response::new(Body::from(
            Blob::new(std::fs::File::open(&path).unwrap()).unwrap(),
        ));
        response
            .headers_mut()
            .insert("content-type", "text/x".parse().unwrap());
        response
    });
    let request = Request::get("/")
        .header("range", "bytes=8-,0-1,4-4")
        .body(())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    assert_eq!(
        targets
            .filter(|target| target.starts_with(folder.path()))
            .count(),
        1
    );
    assert_eq!(ledger.blobs.open.get(), 1);
    assert!(
        response.extensions().get::<BlobHandle>().is_none(),
        "it is no blob any more"
    );
    let answer = Answer::of(response).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-range")),
        (206, "")
    );
    let parts = parse(answer.header("content-type"), &answer.body);
    let expected = [
        ("bytes 8-9/10", "89"),
        ("bytes 0-1/10", "01"),
        ("bytes 4-4/10", "4"),
    ];
    for (part, (range, bytes)) in parts.iter().zip(expected) {
        assert_eq!(
            (part.range.as_str(), &part.bytes[..]),
            (range, bytes.as_bytes())
        );
        assert_eq!(part.media.as_deref(), Some("text/x"));
    }
    assert_eq!(
        (parts.len(), answer.size),
        (3, Some(answer.body.len() as u64))
    );
    assert_eq!(
        (
            ledger.of::<BlobBook>().read.get(),
            ledger.of::<BlobBook>().read_bytes.get()
        ),
        (1, 5)
    );
    assert_quiet(&ledger).await;
}

#[tokio::test]
async fn more_than_five_parts_are_answered_with_the_whole_file() {
    let answer = get(
        b"0123456789a",
        &[("range", "bytes=0-0,2-2,4-4,6-6,8-8,10-10")],
    )
    .await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 11));
    let answer = get(b"", &[("range", "bytes=0-0")]).await;
    assert_eq!((answer.status.as_u16(), answer.size), (200, Some(0)));
}

#[test]
fn parts_are_slices_of_the_file() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let all = content(150_000);
    let range = (0_u64..160_000, 0_u64..160_000).prop_map(|(a, b)| (a.min(b), a.max(b)));
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..Default::default()
    });
    let ran = runner.run(&prop::collection::vec(range, 1..6), |ranges| {
        let list: Vec<String> = ranges
            .iter()
            .map(|(first, last)| format!("{first}-{last}"))
            .collect();
        let answer = runtime.block_on(get(
            &all,
            &[("range", &format!("bytes={}", list.join(",")))],
        ));
        let parts = match answer.status.as_u16() {
            416 => {
                prop_assert!(ranges.iter().all(|(first, _)| *first >= 150_000));
                return Ok(());
            }
            _ if answer.headers.contains_key("content-range") => vec![Part {
                range: answer.header("content-range").to_owned(),
                media: None,
                bytes: answer.body.to_vec(),
            }],
            _ => parse(answer.header("content-type"), &answer.body),
        };
        prop_assert_eq!(answer.status.as_u16(), 206);
        prop_assert_eq!(answer.size, Some(answer.body.len() as u64));
        let mut sent = vec![false; all.len()];
        for part in &parts {
            let (span, len) = part
                .range
                .strip_prefix("bytes ")
                .unwrap()
                .split_once('/')
                .unwrap();
            let (first, last) = span.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
            prop_assert_eq!(len, "150000");
            prop_assert!(part.bytes == all[first..=last]);
            sent[first..=last].fill(true);
        }
        for (first, last) in ranges {
            let there =
                (first.min(150_000) as usize)..(last.saturating_add(1).min(150_000) as usize);
            prop_assert!(
                sent[there].iter().all(|sent| *sent),
                "all that was asked for"
            );
        }
        Ok(())
    });
    ran.unwrap();
}

struct Part {
    range: String,
    media: Option<String>,
    bytes: Vec<u8>,
}

/// Parses parts by RFC 2046 §5.1.1, independently of the code that wrote them.
fn parse(media: &str, body: &[u8]) -> Vec<Part> {
    let boundary = media
        .strip_prefix("multipart/byteranges; boundary=")
        .expect("the media type");
    let mut text = b"\r\n".to_vec();
    text.extend_from_slice(body);
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let places: Vec<usize> = (0..text.len())
        .filter(|&at| text[at..].starts_with(&delimiter))
        .collect();
    let last = places.last().expect("boundaries");
    assert_eq!(&text[last + delimiter.len()..], b"--\r\n", "the end");
    let part = |pair: &[usize]| {
        let part = &text[pair[0] + delimiter.len()..pair[1]];
        let part = part.strip_prefix(b"\r\n").expect("a line's end");
        let split = part
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a head");
        let head = std::str::from_utf8(&part[..split]).unwrap();
        let field = |name: &str| {
            head.lines().find_map(|line| {
                line.strip_prefix(name)?
                    .strip_prefix(": ")
                    .map(str::to_owned)
            })
        };
        Part {
            range: field("Content-Range").expect("its range"),
            media: field("Content-Type"),
            bytes: part[split + 4..].to_vec(),
        }
    };
    places.windows(2).map(part).collect()
}

/// The bytes of a file that is compressed by its format are the coded bytes (RFC 9110 §8.4).
#[tokio::test]
async fn ranges_of_a_coded_blob_select_coded_bytes() {
    let (layer, ledger) = layer();
    let service = serving(&layer, || {
        let blob = blob_of(b"0123456789").coded("gzip");
        let mut response = Response::new(Body::from(blob));
        let coding = http::HeaderValue::from_static("gzip");
        response.headers_mut().insert("content-encoding", coding);
        response
    });
    let tag = "\"17979cfe53f76500-a-gzip\"";
    for (fields, status, body) in [
        (vec![], 200, &b"0123456789"[..]),
        (vec![("range", "bytes=3-5")], 206, b"345"),
        (vec![("range", "bytes=3-5"), ("if-range", tag)], 206, b"345"),
        // The `Content-Encoding` would refer to the multipart body.
        (vec![("range", "bytes=0-1,5-6")], 200, b"0123456789"),
        (vec![("range", "bytes=99-")], 416, b""),
        (vec![("if-none-match", tag)], 304, b""),
    ] {
        let mut request = Request::get("/").body(()).unwrap();
        *request.headers_mut() = super::headers(&fields);
        let answer = Answer::of(service.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.status, status, "{fields:?}");
        assert_eq!(&answer.body[..], body, "{fields:?}");
        let coding = if body.is_empty() { "" } else { "gzip" };
        assert_eq!(answer.header("content-encoding"), coding, "{fields:?}");
    }
    assert_quiet(&ledger).await;
}
