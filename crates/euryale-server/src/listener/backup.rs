//! A listener of another process, whose peers are accepted here if that process does not.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpStream};

/// The time that the other process has to accept a peer. It may be starting again, or stuck.
const GRACE: Duration = Duration::from_millis(200);

/// A socket that both processes have.
#[derive(Debug)]
pub(super) struct Backup {
    socket: AsyncFd<std::net::TcpListener>,
    /// Whether the other process has left a peer waiting, so that its queue is emptied here.
    is_taking: AtomicBool,
}

impl Backup {
    #[expect(
        deprecated,
        reason = "std's listener keeps its descriptor, and the replacement is an unsafe function"
    )]
    pub(super) fn new(tcp: TcpListener) -> io::Result<Self> {
        let socket = AsyncFd::with_interest(tcp.into_std()?, Interest::READABLE)?;
        Ok(Self {
            socket,
            is_taking: AtomicBool::new(false),
        })
    }

    /// Waits until a peer is in the queue, and accepts the one that is first in it after [`GRACE`],
    /// although that one may have arrived only then. All others in the queue follow at once.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let mut ready = self.socket.readable().await?;
            if !self.is_taking.load(Ordering::Relaxed) {
                tokio::time::sleep(GRACE).await;
            }
            let accepted = ready.try_io(|socket| socket.get_ref().accept());
            self.is_taking.store(accepted.is_ok(), Ordering::Relaxed);
            let Ok(accepted) = accepted else {
                continue; // the other process has accepted it
            };
            let (stream, address) = accepted?;
            stream.set_nonblocking(true)?;
            return Ok((TcpStream::from_std(stream)?, address));
        }
    }

    pub(super) fn into_std(self) -> std::net::TcpListener {
        self.socket.into_inner()
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Instant;

    use super::*;

    /// The other process has the socket, and does not accept from it.
    #[tokio::test]
    async fn peers_that_another_process_leaves_are_accepted_after_a_while() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        other.set_nonblocking(true).unwrap();
        let address = other.local_addr().unwrap();
        let tcp = TcpListener::from_std(other.try_clone().unwrap()).unwrap();
        let backup = Backup::new(tcp).unwrap();
        let begin = Instant::now();
        let mut peers = Vec::new();
        for number in 0..2 {
            let mut peer = std::net::TcpStream::connect(address).unwrap();
            peer.write_all(&[number]).unwrap();
            peers.push(peer);
        }
        for number in 0..2 {
            let (stream, _) = backup.accept().await.unwrap();
            stream.readable().await.unwrap();
            let mut byte = [9];
            stream.try_read(&mut byte).unwrap();
            assert_eq!(byte, [number]);
        }
        assert!(begin.elapsed() >= GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn peer_that_the_other_process_accepted_is_not_taken() {
        let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        other.set_nonblocking(true).unwrap();
        let address = other.local_addr().unwrap();
        let tcp = TcpListener::from_std(other.try_clone().unwrap()).unwrap();
        let backup = Backup::new(tcp).unwrap();
        let _peer = std::net::TcpStream::connect(address).unwrap();
        let ready = backup.socket.readable().await.unwrap();
        drop(ready);
        other.accept().unwrap();
        let accepted = tokio::time::timeout(10 * GRACE, backup.accept()).await;
        assert!(accepted.is_err());

        let left = std::net::TcpStream::connect(address).unwrap();
        let (_, peer) = backup.accept().await.unwrap();
        assert_eq!(peer, left.local_addr().unwrap());
    }
}
