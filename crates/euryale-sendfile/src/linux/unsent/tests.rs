use std::future::poll_fn;
use std::io::{Seek, SeekFrom, Write};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::Command;

use bytes::Bytes;
use euryale_core::body::UnnamedFile;
use euryale_core::{Blob, Ledger};
use euryale_test::assert_quiet;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{advance, interval, timeout};

use super::*;
use crate::{SendfileCounts, SendfileIo};

const PATIENCE: Duration = Duration::from_secs(60);

/// The sockets of one server, for which the kernel may have large buffers at `places` at a time.
struct Site {
    listener: TcpListener,
    address: SocketAddr,
    ledger: Ledger,
    counts: SendfileCounts,
}

impl Site {
    async fn new(places: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        limit_unsent(&listener).unwrap();
        let ledger = Ledger::new();
        let mut counts = SendfileCounts::new(ledger.clone());
        counts.places = Places::new(places, Arc::clone(&counts.book));
        Self {
            address: listener.local_addr().unwrap(),
            listener,
            ledger,
            counts,
        }
    }

    /// Connects a peer whose own kernel holds little.
    async fn peer(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.connect(self.address).await.unwrap()
    }

    async fn accept(&self) -> SendfileIo {
        let stream = self.listener.accept().await.unwrap().0;
        assert_eq!(limit(&stream), UNSENT);
        SendfileIo::new(stream, self.counts.clone())
    }

    async fn pair(&self) -> (SendfileIo, TcpStream) {
        let (peer, socket) = tokio::join!(self.peer(), self.accept());
        (socket, peer)
    }

    fn large(&self) -> i64 {
        self.counts.book.large_buffers.get()
    }
}

fn limit(stream: &TcpStream) -> u32 {
    SockRef::from(stream).tcp_notsent_lowat().unwrap()
}

/// A file of zeros that takes no room on the disk.
fn zeros(len: u64) -> Blob {
    let mut file = UnnamedFile::create(std::env::temp_dir()).unwrap();
    file.seek(SeekFrom::Start(len - 1)).unwrap();
    file.write_all(&[0]).unwrap();
    file.into_blob().unwrap()
}

fn file(socket: &SendfileIo, len: u64) -> Bytes {
    socket.windows().open(zeros(len)).unwrap()
}

/// Writes until the socket is full, and returns how much that was.
async fn fill(socket: &mut SendfileIo, bytes: &[u8]) -> usize {
    let mut sent = 0;
    let write = async {
        while sent < bytes.len() {
            let rest = &bytes[sent..];
            sent += poll_fn(|cx| Pin::new(&mut *socket).poll_write(cx, rest))
                .await
                .unwrap();
        }
    };
    let full = async {
        for _ in 0..1_000 {
            yield_now().await;
        }
    };
    tokio::select! {
        biased;
        () = write => {}
        () = full => {}
    }
    sent
}

/// The socket was full for this long.
async fn full_for(unsent: &mut Unsent, site: &Site, stream: &TcpStream, time: Duration) {
    let full = poll_fn(|cx| {
        unsent.poll_full(cx, stream);
        Poll::Ready(())
    });
    full.await;
    advance(time).await;
    unsent.took(stream, &site.counts.places);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_fast_four_times_in_a_row_has_the_kernels_limit() {
    let site = Site::new(1).await;
    let (socket, _peer) = site.pair().await;
    let stream = socket.stream();
    let mut unsent = Unsent::new();
    for waits in [&[1, 1, 1][..], &[3, 2, 2, 2], &[51, 0, 0, 0]] {
        for wait in waits {
            full_for(&mut unsent, &site, stream, Duration::from_millis(*wait)).await;
            assert_eq!(limit(stream), UNSENT, "{waits:?}");
        }
    }
    full_for(&mut unsent, &site, stream, FAST).await;
    assert_eq!((limit(stream), site.large()), (KERNELS, 1));
    full_for(&mut unsent, &site, stream, SLOW).await;
    assert_eq!(limit(stream), KERNELS);
    unsent.took(stream, &site.counts.places);
    full_for(&mut unsent, &site, stream, SLOW * 2).await;
    assert_eq!((limit(stream), site.large()), (UNSENT, 0));
}

#[tokio::test]
async fn a_file_begins_with_its_own_length_while_there_are_places() {
    let site = Site::new(1).await;
    let places = &site.counts.places;
    for (len, expected) in [
        (u64::from(UNSENT), UNSENT),
        (1_000_000, 1_000_000),
        (u64::from(FIRST), FIRST),
        (10 << 30, FIRST),
    ] {
        let (socket, _peer) = site.pair().await;
        let mut unsent = Unsent::new();
        unsent.begin(socket.stream(), places, len);
        assert_eq!(limit(socket.stream()), expected);
        let (other, _peer) = site.pair().await;
        let mut second = Unsent::new();
        second.begin(other.stream(), places, 1_000_000);
        let has_place = expected == UNSENT;
        assert_eq!(second.is_large(), has_place, "{len}");
        assert_eq!(limit(other.stream()) == UNSENT, !has_place, "{len}");
    }
    assert_quiet(&site.ledger).await;
}

#[tokio::test]
async fn the_end_of_a_file_is_flushed_when_the_kernel_has_little_of_it() {
    let site = Site::new(1).await;
    let (mut socket, mut peer) = site.pair().await;
    for _ in 0..2 {
        let bytes = file(&socket, 1 << 20);
        socket.write_all(&bytes).await.unwrap();
        assert_eq!((limit(socket.stream()), site.large()), (1 << 20, 1));
        // The next bytes are not those of a file, so they wait as well.
        let mut is_flushed = false;
        let write = async {
            socket.write_all(b"next").await.unwrap();
            is_flushed = true;
        };
        tokio::select! {
            biased;
            () = write => {}
            () = async {
                for _ in 0..1_000 {
                    yield_now().await;
                }
            } => {}
        }
        assert!(!is_flushed, "nobody reads");
        assert_eq!(site.large(), 1);
        let read = async {
            let mut taken = vec![0; (1 << 20) + 4];
            peer.read_exact(&mut taken).await.unwrap();
            assert!(taken.ends_with(b"\0next"));
        };
        let (_, written) = tokio::join!(read, socket.write_all(b"next"));
        written.unwrap();
        assert_eq!((limit(socket.stream()), site.large()), (UNSENT, 0));
    }
    assert_quiet(&site.ledger).await;
}

#[tokio::test]
async fn a_peer_that_reads_slowly_is_seen_to_read_and_ends_with_little() {
    let site = Site::new(1).await;
    let (mut socket, mut peer) = site.pair().await;
    let bytes = file(&socket, 32 << 20);
    let sent = fill(&mut socket, &bytes).await;
    assert!(sent > 1 << 20, "{sent}");
    // Polls once, and again when it is woken, until the next tick.
    let mut ticks = interval(SLOW / 10);
    let mut turn = async |socket: &mut SendfileIo| {
        let rest = &bytes[sent..];
        let write = poll_fn(|cx| Pin::new(&mut *socket).poll_write(cx, rest));
        tokio::select! {
            biased;
            wrote = write => {
                wrote.unwrap();
            }
            _ = ticks.tick() => {}
        }
    };
    let slow = async {
        while limit(socket.stream()) == FIRST {
            turn(&mut socket).await;
        }
        assert!(limit(socket.stream()) > UNSENT);
        assert_eq!((socket.drained(), site.large()), (0, 1));
        let mut taken = vec![0; 128 << 10];
        let mut steps = 0;
        while site.large() == 1 {
            peer.read_exact(&mut taken).await.unwrap();
            let before = socket.drained();
            turn(&mut socket).await;
            steps += u32::from(socket.drained() != before);
        }
        assert_eq!(limit(socket.stream()), UNSENT);
        assert!(steps >= 4, "{steps}");
    };
    timeout(PATIENCE, slow).await.expect("in time");
    drop(socket);
    assert_quiet(&site.ledger).await;
}

#[tokio::test]
async fn a_file_that_is_broken_off_leaves_nothing_in_the_kernel() {
    let site = Site::new(1).await;
    let (mut socket, mut peer) = site.pair().await;
    let bytes = file(&socket, 32 << 20);
    fill(&mut socket, &bytes).await;
    assert_eq!(site.large(), 1);
    drop((socket, bytes));
    let mut taken = Vec::new();
    let broken = timeout(PATIENCE, peer.read_to_end(&mut taken));
    let broken = broken.await.expect("in time").unwrap_err();
    assert_eq!(broken.kind(), io::ErrorKind::ConnectionReset);
    assert_quiet(&site.ledger).await;
}

/// The memory that the kernel holds for the sockets of this port, in bytes: what waits to be sent
/// or read, and what it keeps in advance.
fn kernel_memory(port: u16) -> Option<u64> {
    let port = format!("sport = :{port}");
    let output = Command::new("ss").args(["-tmnH", &port]).output().ok()?;
    let text = String::from_utf8(output.stdout).unwrap();
    let fields = text.split("skmem:(").skip(1).flat_map(|socket| {
        let fields = socket.split(')').next().unwrap_or_default();
        fields.split(',')
    });
    let held = fields.filter_map(|field| {
        let digits = field.trim_start_matches(char::is_alphabetic);
        let name = &field[..field.len() - digits.len()];
        matches!(name, "r" | "f" | "w" | "o").then(|| digits.parse::<u64>().unwrap())
    });
    Some(held.sum())
}

/// Returns the bytes that the kernel holds for `peers` peers. Each requests 100 MB, reads `taken`
/// bytes of it as fast as it can, and then stops reading. `None` if the system does not report it.
async fn held_for(peers: usize, places: usize, taken: usize) -> Option<u64> {
    let site = Site::new(places).await;
    let mut serving = JoinSet::new();
    let mut reading = JoinSet::new();
    let blob = zeros(100_000_000);
    for _ in 0..peers {
        let (mut socket, mut peer) = site.pair().await;
        let bytes = socket.windows().open(blob.clone()).unwrap();
        serving.spawn(async move { socket.write_all(&bytes).await });
        reading.spawn(async move {
            let mut taking = (&mut peer).take(taken as u64);
            tokio::io::copy(&mut taking, &mut tokio::io::sink())
                .await
                .unwrap();
            peer
        });
    }
    let stalled = timeout(PATIENCE, reading.join_all())
        .await
        .expect("in time");
    // Until the server has written all it can, for as long as a slow peer is given.
    let mut ticks = interval(SLOW);
    let mut quiet = 0;
    let mut before = 0;
    timeout(PATIENCE, async {
        while quiet < 4 {
            ticks.tick().await;
            let now = site.counts.book.bytes.get();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
        }
    })
    .await
    .expect("in time");
    let large = site.large();
    assert!(large <= i64::try_from(places).unwrap(), "{large}");
    let held = kernel_memory(site.address.port());
    serving.shutdown().await;
    drop(stalled);
    assert_quiet(&site.ledger).await;
    held
}

async fn peers_that_stall_fill_at_most(most: u64, peers: usize, places: usize) {
    for taken in [0, 4 << 20] {
        let Some(held) = held_for(peers, places, taken).await else {
            return euryale_test::skip("no `ss`, which tells what the kernel holds");
        };
        println!("{peers} peers that read {taken} bytes: {} KiB", held >> 10);
        assert!(held > 0);
        assert!(held <= most, "{held} bytes after {taken}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_stop_reading_fill_little_of_the_kernels_memory() {
    const MOST: u64 = 40 << 20;
    peers_that_stall_fill_at_most(MOST, 100, PLACES / 10).await;
    let without_limit = held_for(100, 100, 0).await;
    assert!(without_limit.is_none_or(|held| held > 4 * MOST));
}

/// Needs 4,100 descriptors: `ulimit -n 8192`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a thousand peers of each kind"]
async fn a_thousand_peers_that_stop_reading_fill_400_mib() {
    peers_that_stall_fill_at_most(400 << 20, 1_000, PLACES).await;
}
