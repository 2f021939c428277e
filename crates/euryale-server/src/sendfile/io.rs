//! The socket that knows windows.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use euryale_core::Stint;
use rustix::fs::sendfile;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::windows::{Place, Windows};

/// A TCP socket that sends files with `sendfile(2)` where it is asked to write a window.
#[derive(Debug)]
pub struct SendfileIo {
    stream: TcpStream,
    windows: Arc<Windows>,
    stint: Stint,
}

/// How much is sent of files before others have their turn, and at a time: in 50 µs. Smaller pieces cost more.
const STINT: usize = 512 << 10;
/// More slices than this are written in several calls.
const MOST_SLICES: usize = 64;

impl SendfileIo {
    pub(crate) fn new(stream: TcpStream, windows: Arc<Windows>) -> Self {
        Self { stream, windows, stint: Stint::new(STINT) }
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    #[cfg(feature = "axum")]
    pub(crate) fn windows(&self) -> &Arc<Windows> {
        &self.windows
    }

    /// Some of the file, as much as the socket takes.
    fn poll_send_file(&mut self, cx: &mut Context<'_>, place: &Place, len: usize) -> Poll<io::Result<usize>> {
        // A socket may take megabytes at a time, of a peer that reads as fast as it can for ever.
        ready!(self.stint.poll_go_on(cx));
        let sent = self.poll_io(cx, || {
            let mut offset = place.offset;
            let len = len.min(STINT);
            sendfile(&self.stream, place.blob.file(), Some(&mut offset), len).map_err(io::Error::from)
        });
        if sent.is_pending() {
            self.stint.renew();
        }
        let sent = ready!(sent)?;
        if sent == 0 {
            // The peer was promised more. hyper ends the connection without a proper end of the body.
            let error = io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than it was");
            return Poll::Ready(Err(error));
        }
        self.stint.did(sent);
        self.windows.ledger.blobs.sent.sendfile_bytes.add(sent as u64);
        Poll::Ready(Ok(sent))
    }

    /// What stands before a file, which follows: the kernel waits for that before it fills a packet.
    fn poll_send_head(&self, cx: &mut Context<'_>, head: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_io(cx, || {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            sendmsg(&self.stream, head, &mut SendAncillaryBuffer::default(), flags).map_err(io::Error::from)
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
                // Not ready after all, or interrupted: again.
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                written => return Poll::Ready(written),
            }
        }
    }
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
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.windows.find(buffer) {
            Some(place) => self.poll_send_file(cx, &place, buffer.len()),
            None => Pin::new(&mut self.stream).poll_write(cx, buffer),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An empty slice has an address, too, and means nothing.
        let begin = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(slices.len());
        let slices = &slices[begin..];
        let slices = &slices[..slices.len().min(MOST_SLICES)];
        let window = slices.iter().enumerate().find_map(|(at, slice)| {
            let place = self.windows.find(slice).filter(|_| !slice.is_empty())?;
            Some((at, place, slice.len()))
        });
        match window {
            None => Pin::new(&mut self.stream).poll_write_vectored(cx, slices),
            Some((0, place, len)) => self.poll_send_file(cx, &place, len),
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
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use tokio::task::yield_now;

    use super::*;
    use euryale_core::{Blob, Ledger};

    /// A peer that takes all there is would have a thread for itself.
    #[tokio::test]
    async fn after_each_stint_others_have_their_turn() {
        const PIECE: usize = 16 << 10;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let file = tempfile::tempfile().unwrap();
        file.set_len(4 * PIECE as u64).unwrap();
        let windows = Windows::new(Ledger::new());
        let bytes = windows.open(Blob::stable(file).unwrap()).unwrap();
        let mut socket = SendfileIo::new(listener.accept().await.unwrap().0, Arc::clone(&windows));
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
                let sent = poll_fn(|cx| Pin::new(&mut socket).poll_write(cx, piece)).await.unwrap();
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
        assert!(turns_of_another.windows(2).all(|turns| turns[0] < turns[1]), "{turns_of_another:?}");
        drop(peer);
    }
}
