//! Ranges at every edge.

use super::{LEN, Peer, Sent, content, folder_of, shelf, usual};

/// The requested range, and the first byte and the length of the answer.
fn edges() -> Vec<(String, usize, usize)> {
    let last = LEN - 1;
    let mut edges = vec![
        ("0-0".to_owned(), 0, 1),
        ("1-1".to_owned(), 1, 1),
        ("0-".to_owned(), 0, LEN),
        ("1-".to_owned(), 1, last),
        (format!("{last}-{last}"), last, 1),
        (format!("{last}-"), last, 1),
        (format!("{last}-{}", 9 * LEN), last, 1),
        (format!("0-{last}"), 0, LEN),
        ("-1".to_owned(), last, 1),
        (format!("-{last}"), 1, last),
        (format!("-{}", LEN + 1), 0, LEN),
        (format!("-{}", u64::MAX), 0, LEN),
        // Ranges that overlap or touch are joined.
        ("0-99,50-149".to_owned(), 0, 150),
        ("100-199,0-99".to_owned(), 0, 200),
        (format!("{}-,-{LEN}", LEN / 2), 0, LEN),
    ];
    // The edges of pages, of single reads, and of single sends.
    for edge in [4096, 24 << 10, 64 << 10, 2 << 20] {
        edges.push((format!("{}-{edge}", edge - 1), edge - 1, 2));
        edges.push((format!("1-{}", edge - 1), 1, edge - 1));
    }
    edges
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_part_is_exact_and_leaves_by_sendfile() {
    let bytes = content(1, LEN);
    let folder = folder_of(&bytes);
    for around in [None, Some(usual as fn(_) -> _)] {
        let site = shelf(folder.path(), around).await;
        let mut peer = Peer::connect(site.address).await;
        let mut blobs = 0;
        let mut sum = 0;
        for (range, first, len) in edges() {
            peer.ask(&format!("range: bytes={range}\r\n")).await;
            let (head, body) = peer.answer().await;
            assert_eq!(head.status.as_u16(), 206, "{range}");
            let place = format!("bytes {first}-{}/{LEN}", first + len - 1);
            assert_eq!(head.field("content-range"), Some(&*place), "{range}");
            assert!(body == bytes[first..first + len], "{range}");
            (blobs, sum) = (blobs + 1, sum + len);
        }
        Sent::is(&site, (blobs, sum), (0, 0)).await;
        assert_eq!(site.ledger().transactions.committed.get(), blobs);
        drop(peer);
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_parts_come_in_one_answer() {
    let bytes = content(1, LEN);
    let folder = folder_of(&bytes);
    let cases: [(String, &[(usize, usize)]); 4] = [
        (format!("0-0,{}-", LEN - 1), &[(0, 1), (LEN - 1, 1)]),
        // Two that overlap are joined, and the third is far away.
        ("0-99,50-149,1000-1099".to_owned(), &[(0, 150), (1000, 100)]),
        // The last range is beyond the end.
        (format!("-100,65535-65537,0-,{LEN}-"), &[(0, LEN)]),
        (
            "0-70000,100000-170000,200000-270000,300000-370000,-70001".to_owned(),
            &[
                (0, 70_001),
                (100_000, 70_001),
                (200_000, 70_001),
                (300_000, 70_001),
                (LEN - 70_001, 70_001),
            ],
        ),
    ];
    for around in [None, Some(usual as fn(_) -> _)] {
        let site = shelf(folder.path(), around).await;
        let mut peer = Peer::connect(site.address).await;
        for (range, expected) in &cases {
            peer.ask(&format!("range: bytes={range}\r\n")).await;
            let (head, body) = peer.answer().await;
            assert_eq!(head.status.as_u16(), 206, "{range}");
            if let [(first, len)] = **expected {
                assert!(body == bytes[first..first + len], "{range}");
                continue;
            }
            let kind = head.field("content-type").unwrap();
            let boundary = kind
                .strip_prefix("multipart/byteranges; boundary=")
                .unwrap();
            let mut all = Vec::new();
            for (at, (first, len)) in expected.iter().enumerate() {
                let before = if at == 0 { "" } else { "\r\n" };
                let place = format!("bytes {first}-{}/{LEN}", first + len - 1);
                let head = format!(
                    "{before}--{boundary}\r\nContent-Type: text/plain\r\n\
                        Content-Range: {place}\r\n\r\n"
                );
                all.extend_from_slice(head.as_bytes());
                all.extend_from_slice(&bytes[*first..first + len]);
            }
            all.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
            assert!(body == all, "{range}");
        }
        let parts = cases
            .iter()
            .filter(|(_, parts)| parts.len() > 1)
            .flat_map(|(_, parts)| *parts);
        // The bytes between the parts are in no file.
        Sent::is(&site, (1, LEN), (3, parts.map(|(_, len)| len).sum())).await;
        drop(peer);
        site.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_and_excessive_ranges_are_answered() {
    let bytes = content(1, LEN);
    let folder = folder_of(&bytes);
    for around in [None, Some(usual as fn(_) -> _)] {
        let site = shelf(folder.path(), around).await;
        let mut peer = Peer::connect(site.address).await;
        for range in [format!("{LEN}-"), format!("{LEN}-{LEN}"), "-0".to_owned()] {
            peer.ask(&format!("range: bytes={range}\r\n")).await;
            let (head, _) = peer.answer().await;
            assert_eq!(
                (head.status.as_u16(), head.field("content-range")),
                (416, Some("bytes */3000017")),
                "{range}"
            );
        }
        Sent::is(&site, (0, 0), (0, 0)).await;
        let ignored = [
            "bytes=0-0,2-2,4-4,6-6,8-8,10-10",
            "bytes=1-0",
            "bytes=a-b",
            "lines=0-0",
        ];
        for (whole, range) in (1..).zip(ignored) {
            peer.ask(&format!("range: {range}\r\n")).await;
            let (head, body) = peer.answer().await;
            assert_eq!(head.status.as_u16(), 200, "{range}");
            assert!(body == bytes, "{range}");
            Sent::is(
                &site,
                (whole, LEN * usize::try_from(whole).unwrap()),
                (0, 0),
            )
            .await;
        }
        drop(peer);
        site.end().await;
    }
}
