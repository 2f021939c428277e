//! The socket that finds windows by their addresses.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use euryale_core::threads::Stint;
use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::cold::Warmth;
use super::windows::{Place, Windows};
use crate::SendfileCounts;

/// A TCP socket that sends files with `sendfile(2)` when it is asked to write a window.
#[derive(Debug)]
pub struct SendfileIo {
    stream: TcpStream,
    windows: Windows,
    stint: Stint,
    /// When the current piece, of which the peer has taken a part, was last seen in memory. None if
    /// it is new.
    warm_at: Option<Instant>,
    warmth: Warmth,
    /// A file could not be sent by `sendfile(2)`: from then on bytes of maps are written like all
    /// others.
    copies: bool,
}

/// The time after which data that was cached when hyper got it may have been evicted.
const FORGETFUL: Duration = Duration::from_secs(1);
/// How much of a file is sent at a time, before other tasks have their turn: 100 µs of work.
/// Smaller pieces cost more, because the peer is woken for each.
const STINT: usize = 1 << 20;
/// More slices than this are written in several calls.
const MOST_SLICES: usize = 64;

impl SendfileIo {
    /// A socket that counts the files that it sends.
    #[must_use]
    pub fn new(stream: TcpStream, counts: SendfileCounts) -> Self {
        let warmth = Warmth::new(&counts.ledger);
        Self {
            stream,
            windows: Windows::new(counts),
            stint: Stint::new(STINT),
            warm_at: None,
            warmth,
            copies: false,
        }
    }

    /// The socket beneath.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// The files that this socket sends, for [`arm`](crate::arm).
    #[must_use]
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// Sends some of the file, as much as the socket takes. `bytes` are in its map, and are not
    /// read.
    fn poll_send_file(
        &mut self,
        cx: &mut Context<'_>,
        place: &Place,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A socket whose peer reads as fast as it can may take megabytes at a time, for ever.
        ready!(self.stint.poll_go_on(cx));
        if self.warm_at.is_some_and(|at| at.elapsed() >= FORGETFUL) || self.warmth.is_coming() {
            ready!(self.stream.poll_write_ready(cx))?;
            let piece = || {
                place
                    .blob
                    .slice(place.offset - place.blob.offset(), bytes.len() as u64)
            };
            ready!(self.warmth.poll_warm(cx, piece))?;
            self.warm_at = None;
        }
        let some = &bytes[..bytes.len().min(STINT)];
        let sent = if self.copies {
            Pin::new(&mut self.stream).poll_write(cx, some)
        } else {
            self.poll_io(cx, || {
                let mut offset = place.offset;
                let sent = sendfile(
                    &self.stream,
                    place.blob.file(),
                    Some(&mut offset),
                    some.len(),
                );
                sent.map_err(io::Error::from)
            })
        };
        match sent {
            Poll::Pending => {
                self.stint.renew();
                self.warm_at.get_or_insert_with(Instant::now);
                return Poll::Pending;
            }
            Poll::Ready(Err(error)) if !self.copies && is_for_none(&error) => {
                self.copies = true;
                return self.poll_send_file(cx, place, bytes);
            }
            Poll::Ready(Ok(sent)) if sent < bytes.len() => {}
            Poll::Ready(_) => self.warm_at = None,
        }
        let sent = ready!(sent)?;
        if sent == 0 {
            // The announced length was greater. hyper ends the connection without a proper end of
            // the body.
            let error = io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file is shorter than it was",
            );
            return Poll::Ready(Err(error));
        }
        self.stint.did(sent);
        let counts = &self.windows.counts().book;
        let count = if self.copies {
            &counts.copied
        } else {
            &counts.bytes
        };
        count.add(sent as u64);
        Poll::Ready(Ok(sent))
    }

    /// Bytes before a file: the kernel waits for the file before it sends a packet that is not
    /// full.
    fn poll_send_head(
        &self,
        cx: &mut Context<'_>,
        head: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_io(cx, || {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            sendmsg(
                &self.stream,
                head,
                &mut SendAncillaryBuffer::default(),
                flags,
            )
            .map_err(io::Error::from)
        })
    }

    fn poll_io(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut() -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_io(Interest::WRITABLE, &mut write) {
                // Not ready after all, or interrupted: tries again.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                written => return Poll::Ready(written),
            }
        }
    }
}

/// Returns whether the error means that this file's file system does not support `sendfile(2)`.
fn is_for_none(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
    )
}

impl AsyncRead for SendfileIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SendfileIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.windows.find(buffer) {
            Some(place) => self.poll_send_file(cx, &place, buffer),
            None => Pin::new(&mut self.stream).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An empty slice has an address, too, but no meaning.
        let begin = slices
            .iter()
            .position(|slice| !slice.is_empty())
            .unwrap_or(slices.len());
        let slices = &slices[begin..];
        let slices = &slices[..slices.len().min(MOST_SLICES)];
        let window = slices.iter().enumerate().find_map(|(at, slice)| {
            let place = self.windows.find(slice).filter(|_| !slice.is_empty())?;
            Some((at, place))
        });
        match window {
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
            Some((0, place)) => self.poll_send_file(cx, &place, &slices[0]),
            Some((at, ..)) => self.poll_send_head(cx, &slices[..at]),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
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
    async fn who_is_slow_may_find_his_file_forgotten() {
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
}
