//! Measures how much is read for a hundred bytes of a file of 1 GiB. Prints `cold <bytes>` and
//! `warm <bytes>`.
//!
//! A separate program, so that nothing else is counted, except for its client and the response that
//! it reads.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};

use euryale::body::UnnamedFile;
use euryale::{Body, Request, Response, Transaction};
use euryale_test::{CountingDatabase, RawClient};
use euryale_tests::Site;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut file = UnnamedFile::create(std::env::temp_dir()).expect("a file without a name");
    file.seek(SeekFrom::Start(700 << 20)).expect("any place");
    file.write_all(&[b'x'; 100]).expect("room for a page");
    file.seek(SeekFrom::Start((1 << 30) - 1))
        .expect("any place");
    file.write_all(&[0]).expect("room for a page");
    let blob = file.into_blob().expect("a regular file");
    let site = Site::start(
        1,
        move |_: &Request, _: &mut Transaction<'_, CountingDatabase>| {
            Ok(Response::new(Body::from(blob.clone())))
        },
    )
    .await;
    let mut client = RawClient::connect(site.address)
        .await
        .expect("the server listens");
    // Half of them were never written, so they are not in memory. The second time both halves are.
    let first = (700 << 20) - 50;
    let last = (700 << 20) + 49;
    for temperature in ["cold", "warm"] {
        let before = read();
        let request =
            format!("GET / HTTP/1.1\r\nhost: test\r\nrange: bytes={first}-{last}\r\n\r\n");
        client.send(request).await.expect("the server reads");
        let answer = client.read_answer(false).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.body.len()), (206, 100));
        assert!(answer.body.starts_with(&[0; 50]) && answer.body.ends_with(&[b'x'; 50]));
        println!("{temperature} {}", read() - before);
    }
    drop(client);
    site.end().await;
}

/// The number of bytes that this process has read so far, from `/proc/self/io`: by all calls,
/// including `sendfile`, and including bytes that were in the page cache.
fn read() -> u64 {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut File::open("/proc/self/io").expect("Linux"), &mut text)
        .expect("text");
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.and_then(|bytes| bytes.parse().ok()).expect("a number")
}
