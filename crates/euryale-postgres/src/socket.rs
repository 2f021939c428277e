//! A non-blocking socket on which a thread can wait without a runtime.
//!
//! tokio-postgres speaks the protocol over any `AsyncRead + AsyncWrite`. This socket belongs to one
//! worker: instead of a waker it records what the last poll was waiting for, and the worker waits
//! for that with `poll(2)`. So a connection is one descriptor, and a wait is one system call.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;
#[cfg(target_os = "linux")]
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The address of a server whose name has been resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// The times after which an unresponsive peer is given up (`tcp(7)`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keepalives {
    pub(crate) idle: Duration,
    pub(crate) interval: Duration,
    pub(crate) count: u32,
    /// The time for data that was sent and not acknowledged. Zero means the system's default.
    pub(crate) user_timeout: Duration,
}

#[derive(Debug)]
enum Stream {
    Unix(UnixStream),
    Tcp(TcpStream),
}

/// The number of reads after which the worker takes the rows that have arrived and checks the time,
/// should the server never pause.
const READS: u32 = 64;

/// The half that tokio-postgres reads and writes.
#[derive(Debug)]
pub(crate) struct Socket(Arc<Shared>);

/// The half that a worker waits on.
#[derive(Clone, Debug)]
pub(crate) struct Watch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    stream: Stream,
    /// Whether there may have been something to read at the last check.
    may_be_readable: AtomicBool,
    wants_to_write: AtomicBool,
    /// The number of bytes that the kernel has accepted.
    accepted: AtomicU64,
    /// Reads since the last pause.
    reads: AtomicU32,
}

impl Socket {
    /// Connects, for at most `within`.
    pub(crate) fn connect(
        address: &Address,
        within: Duration,
        keepalives: Keepalives,
    ) -> io::Result<(Self, Watch)> {
        let stream = match address {
            Address::Unix(path) => Stream::Unix(connect_unix(path, within)?),
            Address::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, within)?;
                stream.set_nodelay(true)?;
                set_keepalives(&stream, keepalives)?;
                stream.set_nonblocking(true)?;
                Stream::Tcp(stream)
            }
        };
        let shared = Arc::new(Shared {
            stream,
            may_be_readable: AtomicBool::new(true),
            wants_to_write: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            reads: AtomicU32::new(0),
        });
        Ok((Self(Arc::clone(&shared)), Watch(shared)))
    }
}

/// Connects to a local socket. This waits only while the server's backlog is full, for as long as a
/// send may take (`socket(7)`).
#[cfg(target_os = "linux")]
fn connect_unix(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let family = AddressFamily::UNIX;
    let kind = SocketType::STREAM;
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(within))?;
    let address = SocketAddrUnix::new(path)?;
    match rustix::io::retry_on_intr(|| rustix::net::connect(&socket, &address)) {
        Err(rustix::io::Errno::AGAIN) => return Err(io::ErrorKind::TimedOut.into()),
        connected => connected?,
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Connects to a local socket. Other systems refuse the connection while the server's backlog is
/// full, so this never waits.
#[cfg(not(target_os = "linux"))]
fn connect_unix(path: &Path, _: Duration) -> io::Result<UnixStream> {
    let stream = UnixStream::connect(path)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

#[cfg(target_os = "linux")]
fn set_keepalives(stream: &TcpStream, keepalives: Keepalives) -> io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, keepalives.idle)?;
    sockopt::set_tcp_keepintvl(stream, keepalives.interval)?;
    sockopt::set_tcp_keepcnt(stream, keepalives.count)?;
    let millis = u32::try_from(keepalives.user_timeout.as_millis()).unwrap_or(u32::MAX);
    Ok(sockopt::set_tcp_user_timeout(stream, millis)?)
}

#[cfg(not(target_os = "linux"))]
fn set_keepalives(stream: &TcpStream, _: Keepalives) -> io::Result<()> {
    Ok(sockopt::set_socket_keepalive(stream, true)?)
}

impl Watch {
    /// Waits until the socket is ready for what the last poll wanted, at most until `until`.
    /// Returns `false` if that time has passed.
    pub(crate) fn wait(&self, until: Option<Instant>) -> io::Result<bool> {
        let mut wanted = PollFlags::IN;
        if self.0.wants_to_write.swap(false, Ordering::Relaxed) {
            wanted |= PollFlags::OUT;
        }
        loop {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            let timeout = left.and_then(|left| Timespec::try_from(left).ok());
            let mut fds = [PollFd::from_borrowed_fd(self.0.stream(), wanted)];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(0) => return Ok(false),
                Ok(_) => {
                    let found = fds[0].revents();
                    // An error or the end is detected by reading.
                    if found != PollFlags::OUT {
                        self.0.may_be_readable.store(true, Ordering::Relaxed);
                    }
                    return Ok(true);
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Returns, without waiting, whether there is something to read, including the end.
    pub(crate) fn is_readable(&self) -> bool {
        // If this check fails, the next read finds out why.
        self.wait(Some(Instant::now())).unwrap_or(true)
    }

    /// Returns the number of bytes that the kernel has accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn stream(&self) -> BorrowedFd<'_> {
        match &self.stream {
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tcp(stream) => stream.as_fd(),
        }
    }

    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Unix(stream) => (&*stream).read(buffer),
            Stream::Tcp(stream) => (&*stream).read(buffer),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match &self.stream {
            Stream::Unix(stream) => (&*stream).write(bytes),
            Stream::Tcp(stream) => (&*stream).write(bytes),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let shared = &*self.0;
        if !shared.may_be_readable.load(Ordering::Relaxed) {
            shared.reads.store(0, Ordering::Relaxed);
            return Poll::Pending;
        }
        if shared.reads.fetch_add(1, Ordering::Relaxed) >= READS {
            shared.reads.store(0, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let room = buffer.initialize_unfilled();
        let room_len = room.len();
        match shared.read(room) {
            Ok(read) => {
                // The kernel had no more bytes.
                if read < room_len {
                    shared.may_be_readable.store(false, Ordering::Relaxed);
                }
                buffer.advance(read);
                Poll::Ready(Ok(()))
            }
            Err(error) if is_not_now(&error) => {
                shared.may_be_readable.store(false, Ordering::Relaxed);
                shared.reads.store(0, Ordering::Relaxed);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let shared = &*self.0;
        match shared.write(bytes) {
            Ok(written) => {
                shared.accepted.fetch_add(written as u64, Ordering::Relaxed);
                Poll::Ready(Ok(written))
            }
            Err(error) if is_not_now(&error) => {
                shared.wants_to_write.store(true, Ordering::Relaxed);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let end = match &self.0.stream {
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
        };
        Poll::Ready(match end {
            // The peer has closed the socket first, like a server after a cancel.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            end => end,
        })
    }
}

fn is_not_now(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}
