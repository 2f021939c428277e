//! Pictures are scaled down at their first request.

use std::fs;
use std::io::Cursor;

use euryale::promise::PromiseBook;
use euryale_sendfile::SendfileBook;
use euryale_test::{Answer, RawClient, eventually};
use image::{DynamicImage, GenericImageView, ImageFormat, RgbImage, RgbaImage};

use super::uploading::form;
use super::{Site, header};
use crate::pages::picture::Header;

const MULTIPART: &str = "content-type: multipart/form-data; boundary=X-X\r\n";

fn picture(width: u32, height: u32, is_transparent: bool) -> Vec<u8> {
    let red = |x: u32| (x % 251) as u8;
    let green = |y: u32| (y % 241) as u8;
    let picture: DynamicImage = if is_transparent {
        RgbaImage::from_fn(width, height, |x, y| {
            image::Rgba([red(x), green(y), 9, 128])
        })
        .into()
    } else {
        RgbImage::from_fn(width, height, |x, y| image::Rgb([red(x), green(y), 9])).into()
    };
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A PNG of a few bytes that claims to be this large.
fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = picture(1, 1, false);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// That of PNG (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

impl Site {
    pub(super) async fn upload_bytes(&self, name: &str, bytes: &[u8]) {
        let [before, after] = form(&[(name, "\u{0}")])
            .split('\u{0}')
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
        let mut peer = self.peer().await;
        let length = body.len();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{MULTIPART}\r\n"
        );
        peer.send([head.as_bytes(), &body].concat()).await.unwrap();
        assert_eq!(peer.read_answer(false).await.unwrap().status, 201);
    }

    async fn scaled(&self, name: &str, width: &str) -> Answer {
        self.get(&format!("/{name}/@@scale/{width}")).await
    }
}

fn size(answer: &Answer) -> (u32, u32) {
    image::load_from_memory(&answer.body).unwrap().dimensions()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_scaled_once_and_removed_with_its_original() {
    let site = Site::start(2).await;
    let before = site.blobs().len();
    site.upload_bytes("p.png", &picture(400, 200, false)).await;
    site.upload_bytes("t.png", &picture(400, 200, true)).await;
    let sent = site.ledger.of::<SendfileBook>().blobs.get();
    let first = site.scaled("p.png", "128").await;
    assert_eq!(
        (
            first.status.as_u16(),
            header(&first, "content-type"),
            size(&first)
        ),
        (200, "image/jpeg", (128, 64))
    );
    let transparent = site.scaled("t.png", "64").await;
    assert_eq!(
        (header(&transparent, "content-type"), size(&transparent)),
        ("image/png", (64, 32))
    );
    assert_eq!(
        site.ledger.of::<SendfileBook>().blobs.get(),
        sent + 2,
        "as a file from the first time on"
    );
    let again = site.scaled("p.png", "128").await;
    assert_eq!(
        (again.body == first.body, header(&again, "etag")),
        (true, header(&first, "etag"))
    );
    assert_eq!(site.blobs().len(), before + 4);

    let large = site.scaled("p.png", "512").await;
    assert_eq!(
        (header(&large, "content-type"), size(&large)),
        ("image/png", (400, 200)),
        "never enlarged"
    );
    assert_eq!(site.blobs().len(), before + 4);

    site.upload_bytes("p.png", &picture(300, 300, false)).await;
    assert_eq!(size(&site.scaled("p.png", "128").await), (128, 128));
    assert_eq!(
        site.blobs().len(),
        before + 4,
        "the old picture is gone with what was made of it"
    );
    for name in ["/p.png", "/t.png"] {
        assert_eq!(site.send("DELETE", name, "", "").await.status, 204);
    }
    assert_eq!(site.blobs().len(), before);
    assert_eq!(site.scaled("p.png", "128").await.status, 404);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_first_requests_get_the_same_picture() {
    let site = Site::start(4).await;
    site.upload_bytes("p.png", &picture(600, 400, false)).await;
    let before = site.blobs().len();
    let asked = (0..12).map(|_| {
        let address = site.address;
        tokio::spawn(async move {
            let mut peer = RawClient::connect(address).await.unwrap();
            peer.get("/p.png/@@scale/256").await.unwrap()
        })
    });
    let mut answers = Vec::new();
    for asked in asked.collect::<Vec<_>>() {
        answers.push(asked.await.unwrap());
    }
    for answer in &answers {
        assert_eq!((answer.status.as_u16(), size(answer)), (200, (256, 170)));
        assert!(answer.body == answers[0].body);
    }
    assert_eq!(site.blobs().len(), before + 1);
    site.end().await;
}

/// A request that found it before it was replaced looks it up again; then it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_vanishes_behind_its_row_is_looked_up_twice() {
    let site = Site::start(1).await;
    site.upload_bytes("p.png", &picture(400, 200, false)).await;
    let name: String = site
        .other_program()
        .query_row("SELECT blob FROM file WHERE path = '/p.png'", [], |row| {
            row.get(0)
        })
        .unwrap();
    fs::remove_file(site.folder.path().join("blobs").join(name)).unwrap();
    let attempts = site.ledger.transactions.attempts.get();
    assert_eq!(site.scaled("p.png", "64").await.status, 500);
    assert_eq!(site.ledger.transactions.attempts.get(), attempts + 2);
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_and_too_large_pictures_are_refused_with_the_reason() {
    let site = Site::start(1).await;
    let before = site.blobs().len();
    let files: [(&str, &[u8], &str); 6] = [
        ("bits.png", &png_head(16_384, 16_384, [1, 0]), "256 MiB"),
        ("side.png", &bomb(20_000, 1), "too large"),
        ("area.png", &bomb(16_000, 16_000), "too large"),
        ("broken.png", &picture(100, 100, false)[..200], "is broken"),
        ("text.png", b"no picture", "not a PNG, JPEG or WebP"),
        ("text.txt", b"no picture", "This file is text/plain"),
    ];
    for (name, bytes, says) in files {
        site.upload_bytes(name, bytes).await;
        let answer = site.scaled(name, "64").await;
        let problem: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(answer.status, 422, "{name}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(says),
            "{name}: {problem}"
        );
    }
    for width in ["100", "0", "", "64px", "064", "-1", "64/64"] {
        assert_eq!(site.scaled("text.png", width).await.status, 404, "{width}");
    }
    assert_eq!(site.get("/nothing/@@scale/64").await.status, 404);
    assert_eq!(site.post("/text.png/@@scale/64").await.status, 405);
    assert_eq!(site.blobs().len(), before + files.len());
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn picture_waits_for_memory_without_a_worker() {
    let site = Site::start(1).await;
    site.upload_bytes("p.png", &picture(400, 200, false)).await;
    let all = u32::try_from(crate::pages::picture::MEMORY >> 10).unwrap();
    let taken = crate::pages::scale::ROOM.acquire_many(all).await.unwrap();
    let mut waiting = site.peer().await;
    let head = "GET /p.png/@@scale/64 HTTP/1.1\r\nhost: localhost\r\n\r\n";
    waiting.send(head).await.unwrap();
    eventually("it waits", || {
        site.ledger.of::<PromiseBook>().suspended.get() == 1
    })
    .await;
    // This takes far longer than making it, and each request needs the only worker.
    for _ in 0..100 {
        assert_eq!(site.get("/history").await.status, 200);
        assert_eq!(site.ledger.of::<PromiseBook>().suspended.get(), 1);
    }
    drop(taken);
    assert_eq!(waiting.read_answer(false).await.unwrap().status, 200);
    site.end().await;
}

/// Nothing is decoded for it.
#[test]
fn memory_of_a_picture_is_known_from_its_head() {
    let memory = |bytes: &[u8], width: u32| {
        let mut file = Cursor::new(bytes);
        let header = Header::read(&mut file, bytes.len() as u64).unwrap();
        header.map(|header| header.memory(width).ok().map(|bytes| bytes >> 20))
    };
    let too_large = Some(None);
    // Claims of the head: 1 bit, 8 bits with and without transparency, 16 bits.
    assert_eq!(memory(&png_head(16_384, 16_384, [1, 0]), 64), too_large);
    assert_eq!(
        memory(&png_head(16_384, 8_000, [1, 0]), 64),
        Some(Some(130))
    );
    assert_eq!(memory(&png_head(6000, 4000, [8, 2]), 2048), Some(Some(148)));
    assert_eq!(memory(&png_head(6000, 4000, [8, 6]), 1024), Some(Some(216)));
    assert_eq!(memory(&png_head(6000, 4000, [16, 6]), 64), too_large);
    // A photograph of 24 megapixels, in one pass and progressive, and one of 61.
    let one_pass = jpeg_head(0xc0, (6000, 4000), 3);
    assert_eq!(memory(&one_pass, 2048), Some(Some(148)));
    assert_eq!(
        memory(&jpeg_head(0xc2, (6000, 4000), 3), 64),
        Some(Some(210))
    );
    // A single pass according to the frame, but with separate scans for each colour: all of them
    // are kept in memory.
    assert_eq!(
        memory(&jpeg_head(0xc0, (6000, 4000), 1), 64),
        Some(Some(210))
    );
    assert_eq!(
        memory(&jpeg_head(0xc0, (9504, 6336), 3), 512),
        Some(Some(191))
    );
    assert_eq!(memory(&jpeg_head(0xc2, (9504, 6336), 3), 512), too_large);
    let two_frames = [&one_pass[..one_pass.len() - 14], &one_pass[2..]].concat();
    assert_eq!(memory(&two_frames, 64), None);
    // The frame of a WebP may be larger than its canvas, and its tables larger than its pixels.
    assert_eq!(memory(&webp_head(&[vp8(4000, 3000)]), 64), Some(Some(55)));
    let small = webp_head(&[vp8x(100, 100), vp8(16_383, 16_383)]);
    assert_eq!(memory(&small, 64), too_large);
    assert_eq!(
        memory(&webp_head(&[vp8l(100, 100, 4 << 20)]), 64),
        too_large
    );
    assert_eq!(
        memory(&webp_head(&[vp8l(1000, 800, 100 << 10)]), 64),
        Some(Some(49))
    );
    for head in [
        &b""[..],
        b"GIF89a",
        b"RIFF\0\0\0\0WAVE",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n",
    ] {
        assert_eq!(memory(head, 64), None, "{head:?}");
    }
}

/// Depth and colour as PNG (ISO/IEC 15948) §11.2.2 numbers them.
fn png_head(width: u32, height: u32, [depth, color]: [u8; 2]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    bytes.extend(width.to_be_bytes());
    bytes.extend(height.to_be_bytes());
    bytes.extend([depth, color, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(*b"\0\0\0\0IDAT");
    bytes
}

/// A frame of three colours, and a scan of `in_scan` of them.
fn jpeg_head(frame: u8, (width, height): (u16, u16), in_scan: u8) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2];
    bytes.extend([0xff, frame, 0, 17, 8]);
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]);
    bytes.extend([0xff, 0xda, 0, 12, in_scan]);
    bytes.extend([1, 0, 2, 0, 3, 0, 0, 63, 0]);
    bytes
}

fn webp_head(parts: &[Vec<u8>]) -> Vec<u8> {
    [b"RIFF\0\0\0\0WEBP".to_vec(), parts.concat()].concat()
}

fn vp8x(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"VP8X\x0a\0\0\0\0\0\0\0".to_vec();
    bytes.extend(&(width - 1).to_le_bytes()[..3]);
    bytes.extend(&(height - 1).to_le_bytes()[..3]);
    bytes
}

fn vp8(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = b"VP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a".to_vec();
    bytes.extend(width.to_le_bytes());
    bytes.extend(height.to_le_bytes());
    bytes
}

/// The length of its content.
fn vp8l(width: u32, height: u32, length: u32) -> Vec<u8> {
    let mut bytes = b"VP8L".to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.push(0x2f);
    bytes.extend(((width - 1) | (height - 1) << 14).to_le_bytes());
    bytes
}
