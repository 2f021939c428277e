//! Many clients that begin a large download and then do not read.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::Path;

use euryale_test::H2Client;

use super::{PATIENCE, Running, ended, eventually};

const CLIENTS: usize = 200;
const LEN: u64 = 100 << 20;

/// A data folder with one file of 100 MiB, at `/large.bin`. Most of it is a hole, which is sent
/// like any other bytes.
pub(super) fn imported(folder: &Path) -> std::path::PathBuf {
    let from = folder.join("from");
    let data = folder.join("data");
    std::fs::create_dir(&from).unwrap();
    let file = File::create_new(from.join("large.bin")).unwrap();
    file.set_len(LEN).unwrap();
    file.write_all_at(b"begin", 0).unwrap();
    let output = ended(&[
        "import",
        "--data",
        data.to_str().unwrap(),
        from.to_str().unwrap(),
    ]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    data
}

impl Running {
    /// Memory in use, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim()
            .strip_suffix(" kB")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .count()
    }

    /// The number of response heads that were written, and the number of those within 250 ms.
    fn heads(&self) -> (u64, u64) {
        let all = self.metric("euryale_response_head_seconds_count");
        (
            all,
            self.metric("euryale_response_head_seconds_bucket{le=\"0.25\"}"),
        )
    }
}

/// Requests the file, and reads only its first bytes.
fn stalls(site: &Running) -> TcpStream {
    let mut peer = TcpStream::connect(site.public[0]).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.write_all(b"GET /large.bin HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\nbegin") {
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
    }
    assert!(
        got.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&got)
    );
    peer
}

#[test]
fn stalled_downloads_hold_one_descriptor_each_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&imported(folder.path()), &[]);
    let mut other = site.peer();
    // Opens everything that is opened once: the database, and the file of the first download. Not
    // the home page, whose tiles use a second connection if one is free.
    assert_eq!(other.get("/@@counter").unwrap().status, 200);
    drop(stalls(&site));
    site.counts("euryale_blobs_open", 0);
    let resident = site.resident();
    let descriptors = site.descriptors();

    let stalled: Vec<TcpStream> = (0..CLIENTS).map(|_| stalls(&site)).collect();
    site.counts("euryale_blobs_open", CLIENTS);
    site.counts("euryale_connections_in_use", 0);
    site.counts("euryale_publishers_running", 0);
    let (all, fast) = site.heads();
    for _ in 0..200 {
        assert_eq!(other.get("/@@counter").unwrap().status, 200);
    }
    // A client gets a head slightly before it is counted.
    eventually("each is counted", || site.heads().0 >= all + 200);
    let all = site.heads().0 - all;
    let fast = site.heads().1 - fast;
    assert!(fast * 100 >= all * 99, "{fast} of {all} within 250 ms");
    // The client that requested the metrics may still be connected.
    eventually("a socket and a file each", || {
        site.descriptors() <= descriptors + 2 * CLIENTS
    });
    let grew = site.resident().saturating_sub(resident);
    assert!(grew < 64 << 20, "{grew} bytes");
    assert_eq!(
        site.metric("euryale_blobs_total{path=\"sendfile\"}"),
        CLIENTS as u64 + 1
    );

    drop(stalled);
    site.counts("euryale_blobs_open", 0);
    eventually("the descriptors are given back", || {
        site.descriptors() <= descriptors
    });
    site.end_well();
}

/// HTTP/2 streams with large windows on sockets that nobody reads, and streams whose windows are
/// closed: the server keeps everything that it has read for them.
#[test]
fn streams_hold_less_than_a_frame_each() {
    for window in [1 << 20, 64 << 10] {
        let each = held_by_a_stream(window);
        println!(
            "{each} bytes a stream with a window of {} KiB",
            window >> 10
        );
        // Without optimisation, the futures of a request are larger than the data that they wait
        // for.
        let most = if cfg!(debug_assertions) {
            32 << 10
        } else {
            16 << 10
        };
        assert!(each <= most, "{each} bytes a stream");
    }
}

fn held_by_a_stream(window: u32) -> u64 {
    const SOCKETS: usize = 20;
    const STREAMS: usize = 30;
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(&imported(folder.path()), &[]);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let address = site.public[0];
    let stall = |sockets: usize| {
        runtime.block_on(async {
            let mut held = Vec::new();
            for _ in 0..sockets {
                let mut client = H2Client::with_windows(address, window, 1 << 30)
                    .await
                    .unwrap();
                let mut heads = Vec::new();
                for _ in 0..STREAMS {
                    heads.push(client.open("/large.bin").await.unwrap().0);
                }
                let mut bodies = Vec::new();
                for head in heads {
                    let response = head.await.unwrap();
                    assert_eq!(response.status(), 200);
                    bodies.push(response.into_body());
                }
                client.stop_reading();
                held.push((client, bodies));
            }
            held
        })
    };
    // Everything that is created once exists now.
    drop(stall(1));
    site.counts("euryale_blobs_open", 0);
    let before = site.resident();
    let held = stall(SOCKETS);
    site.counts("euryale_blobs_open", SOCKETS * STREAMS);
    site.counts("euryale_connections_in_use", 0);
    let grown = site.resident().saturating_sub(before);
    drop(held);
    drop(runtime);
    site.counts("euryale_blobs_open", 0);
    site.end_well();
    grown / (SOCKETS * STREAMS) as u64
}
