use std::fs::File;
use std::future::poll_fn;

use rustix::fs::{Advice, fadvise};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::yield_now;
use tokio::time::advance;

use super::*;
use crate::linux::cold::of_fs;
use euryale_core::Ledger;

/// A socket and its peer.
async fn pair() -> (SendfileIo, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let stream = listener.accept().await.unwrap().0;
    (
        SendfileIo::new(stream, SendfileCounts::new(Ledger::new())),
        peer,
    )
}

/// Its bytes as a window of the socket, and it.
fn window(socket: &SendfileIo, len: usize) -> (bytes::Bytes, File) {
    let blob = of_fs(len);
    let file = blob.file().try_clone().unwrap();
    (socket.windows.open(blob).unwrap(), file)
}

/// A peer that takes all there is would have a thread for itself.
#[tokio::test]
async fn after_each_stint_others_have_their_turn() {
    const PIECE: usize = 16 << 10;
    let (mut socket, peer) = pair().await;
    let (bytes, _) = window(&socket, 4 * PIECE);
    socket.stint = Stint::new(PIECE);
    let mut turns_of_another = Vec::new();
    let other = std::cell::Cell::new(0);
    let count = async {
        loop {
            other.set(other.get() + 1);
            yield_now().await;
        }
    };
    let send = async {
        for piece in bytes.chunks(PIECE) {
            let sent = poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, piece))
                .await
                .unwrap();
            assert_eq!(sent, PIECE, "the buffers of the system take that much");
            turns_of_another.push(other.get());
        }
        socket.write_all(b"end").await.unwrap();
    };
    tokio::select! {
        biased;
        () = send => {}
        () = count => {}
    }
    assert!(
        turns_of_another.windows(2).all(|turns| turns[0] < turns[1]),
        "{turns_of_another:?}"
    );
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_a_slow_peer_is_checked_in_the_page_cache_again() {
    let (mut socket, mut peer) = pair().await;
    let (bytes, file) = window(&socket, 32 << 20);
    // Whatever it takes in between.
    for (pause, asks_the_disk) in [
        (FORGETFUL / 2, false),
        (FORGETFUL / 2, true),
        (FORGETFUL / 2, false),
    ] {
        // Until the system takes no more.
        let mut sent = 0;
        let mut write = async || loop {
            let wrote = poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, &bytes[sent..]))
                .await
                .unwrap();
            sent += wrote;
            assert!(sent < bytes.len(), "nobody reads");
        };
        let full = async {
            for _ in 0..1_000 {
                yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = write() => {}
            () = full => {}
        }
        assert!(socket.warm_at.is_some());
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        advance(pause).await;
        let mut taken = vec![0; sent];
        peer.read_exact(&mut taken).await.unwrap();
        let mut asked = false;
        let wrote = poll_fn(|cx| {
            let wrote = Pin::new(&mut socket).poll_write(cx, &bytes[sent..]);
            asked |= socket.warmth.is_coming();
            wrote
        });
        let wrote = wrote.await.unwrap();
        assert_eq!(asked, asks_the_disk);
        assert!(!socket.warmth.is_coming());
        let mut taken = vec![0; wrote];
        peer.read_exact(&mut taken).await.unwrap();
        assert!(taken.iter().all(|byte| *byte == b'f'));
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_sent_is_written() {
    let (mut socket, mut peer) = pair().await;
    let (bytes, _) = window(&socket, 3 << 20);
    socket.copies = true;
    let sent = std::sync::Arc::clone(&socket.windows.counts().book);
    let write = async {
        socket.write_all(&bytes).await.unwrap();
        socket.flush().await.unwrap();
        drop(socket);
    };
    let mut taken = Vec::new();
    let (_, read) = tokio::join!(write, peer.read_to_end(&mut taken));
    read.unwrap();
    assert!(taken == bytes);
    assert_eq!((sent.copied.get(), sent.bytes.get()), (3 << 20, 0));
}

#[test]
fn errors_that_are_the_file_systems() {
    let is = |errno: Errno| is_for_none(&errno.into());
    assert!(is(Errno::INVAL) && is(Errno::NOSYS) && is(Errno::OPNOTSUPP));
    assert!(!is(Errno::PIPE) && !is(Errno::CONNRESET) && !is(Errno::IO));
}
