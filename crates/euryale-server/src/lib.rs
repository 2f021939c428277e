//! An HTTP server around the onion, with limits for peers and a shutdown that always ends.
//!
//! It is the outermost part: everything else is the `service` that you pass to [`Server::serve`],
//! an axum `Router` or any other. It holds no worker and no connection, and nothing in it blocks.
//!
//! * HTTP/1.1 and HTTP/2 (by prior knowledge, or negotiated in the handshake) through hyper, on TCP
//!   and Unix sockets ([`UnixSocket`]), with TLS ([`Tls`], feature `tls`) or without; several
//!   listeners; the PROXY protocol ([`Listener::proxy_protocol`]); accept errors back off and never
//!   end the server.
//! * Peers that send nothing, half a head, half a body or half of HTTP/2's preface, and peers that
//!   do not read or only stay connected, are closed in time, and the metrics name the reason
//!   ([`Server::head_timeout`] and its neighbours).
//! * Heads that another server might read differently are answered 400: two hosts or none, targets
//!   that do not fit the method, names with underscores, values of HTTP/2 with white space at their
//!   ends. Transfer codings other than `chunked` are answered 501, targets that are too long 414.
//!   Such requests are counted (`requests_refused`) and logged. A peer that is refused while it
//!   sends can still read the reason: the server drains the socket before it closes it, upgraded
//!   sockets included.
//! * Files in HTTP/1 responses are sent with `sendfile(2)`, at about the same cost as in nginx,
//!   through any layers and middleware that do not change the body ([`euryale_sendfile`]).
//! * Limits and time-outs that can be changed while it runs ([`Changes`]).
//! * A drain with a deadline that is always met ([`Server::serve`], [`Shutdown`]); requests that it
//!   cuts are named in the log.
//! * Restarts that lose no request: idle sockets are answered once more ([`Server::lame_duck`]),
//!   and a parent process replaces its children one by one (feature `supervise`).
//! * Socket activation and notifications for systemd (feature `systemd`).
//! * A separate listener for operators ([`Server::admin`]), which answers during the drain, and
//!   while every descriptor but its own is in use ([`DescriptorLimit`]). `euryale-admin` has the
//!   pages for it.
//!
//! The guide has [a complete program](https://docs.rs/euryale/latest/euryale/guide/deploying/) and
//! says which settings belong together.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use euryale_server::{Server, Shutdown};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await?;
//!     let address = listener.local_addr()?;
//!     let shutdown = Shutdown::signals()?;
//!     let app = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
//!     let serving = tokio::spawn(Server::new().listen(listener).serve(app, shutdown.clone()));
//!
//!     let mut peer = TcpStream::connect(address).await?;
//!     peer.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
//!     let mut answer = String::new();
//!     peer.read_to_string(&mut answer).await?;
//!     assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"));
//!
//!     shutdown.drain();
//!     assert!(serving.await?.is_complete());
//!     Ok(())
//! }
//! let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! runtime.block_on(run()).unwrap();
//! runtime.shutdown_timeout(Duration::from_secs(1));
//! ```
//!
//! # The runtime
//!
//! A program should build its runtime by hand and end it with `shutdown_timeout`, as above. The
//! runtime of `#[tokio::main]` is dropped at the end of `main`, and dropping a runtime waits for
//! its blocking threads: a publisher that never returns would keep the process alive forever, even
//! after a complete drain.
//!
//! It replaces, from Zope: ZServer's Medusa channels on the `asyncore` loop, where one peer's work
//! delayed all others, and the phases of its `Lifetime` shutdown: the veto with a time limit is
//! [`Server::drain_deadline`].
//!
//! # How are hostile peers stopped?
//!
//! Each row has a test. The reason is the label of `euryale_sockets_closed_total`.
//!
//! | the peer | is stopped by | reason |
//! |---|---|---|
//! | sends nothing, or half a handshake | [`Server::handshake_timeout`] | `handshake` |
//! | sends nothing, half a preface, or a trickling head | [`Server::head_timeout`] | `silent`, `head_elapsed` |
//! | sends a body that stops or trickles | [`Server::body_timeout`], [`Server::body_rate`] | `body_elapsed` |
//! | does not read | [`Server::write_timeout`]; an HTTP/2 stream is reset | `stalled` |
//! | only stays connected | [`Server::idle_timeout`] | `idle` |
//! | sends resets or provokes them | [`Server::max_resets`] and the limits of h2 | `flood` |
//! | floods with PING, SETTINGS, WINDOW_UPDATE and the like | [`Server::max_control_frames`] | `flood` |
//! | sends CONTINUATION without end, or empty or tiny DATA | the limits of h2 | `flood` |
//!
//! A peer that floods gets GOAWAY with ENHANCE_YOUR_CALM. Nothing piles up for a peer that does not
//! read: h2 answers a PING or SETTINGS before it reads on, and the kernel buffers at most 256 KiB
//! for it.
//!
//! Two things are not limited: bandwidth, and the number of a peer's requests, which the queue for
//! connections refuses when it is full. A peer that reads a few bytes now and then can keep its
//! socket, its file and those 256 KiB indefinitely;
//! [`max_sockets_per_peer`](Server::max_sockets_per_peer) limits how many of them one peer has. h2
//! logs each unexpected acknowledgement at WARN; `max_control_frames` limits their number.
//!
//! An upgraded socket belongs to its route. It counts as open, and is cut with the others at the
//! end of a drain; no other deadline of the server applies to it. A route that keeps peers
//! indefinitely, such as a WebSocket, should send pings and limit the duration of its writes.
//!
//! # Cancellation
//!
//! When a peer disconnects, hyper drops the service's future. For HTTP/1 it does so when it sees
//! the end of the stream, which is hidden as long as a pipelined request is still buffered. When
//! the future of [`Server::serve`] is dropped, its listeners are closed and all sockets are cut,
//! including handshakes and tunnels.
//!
//! # Backpressure
//!
//! The number of sockets is limited, in total and by peer. The work that they may cause is limited
//! by the queue for connections, which refuses at once when it is full. One HTTP/2 peer has at most
//! [`Server::max_concurrent_streams`] requests. At most 32 of the files in their responses,
//! multipart ranges included, are sent at a time; the head of any further one waits, with its file
//! open and unread. It waits only while the peer reads the others: if the peer has read nothing of
//! any file for [`Server::write_timeout`], the waiting files are given up together with the stalled
//! ones. Request bodies are read no faster than the service consumes them, and responses no faster
//! than the peer reads them.
//!
//! # Errors
//!
//! None: the service is infallible. A failure of one socket closes that socket and is counted in
//! [`ServerBook::sockets`]. [`Drained`] says what had to be cut.
//!
//! # Panics
//!
//! A panic in the service closes its socket (HTTP/1) or its stream (HTTP/2) and nothing else.
//! Panics of publishers do not get this far: the pool catches them.
//!
//! # Behind a proxy
//!
//! [`Peer`](euryale_core::request::Peer) is the proxy, or the address that it reports through the
//! PROXY protocol. Forwarded headers are ignored here. Keep [`Server::idle_timeout`] longer than
//! the proxy's own idle time-out.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
mod admission;
mod book;
mod calendar;
mod changes;
mod clock;
mod context;
mod conversation;
mod crowd;
#[cfg(unix)]
mod descriptors;
mod edge;
mod framing;
#[cfg_attr(
    not(all(target_os = "linux", target_env = "gnu")),
    path = "heap/other.rs"
)]
mod heap;
mod incoming;
mod listener;
mod operators;
mod outgoing;
mod per_peer;
mod polls;
mod proxy_protocol;
mod readiness;
mod running;
mod server;
mod shutdown;
mod slowest;
mod socket;
mod streams;
#[cfg(all(feature = "supervise", unix))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "supervise", unix))))]
pub mod supervise;
#[cfg(all(feature = "systemd", unix))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "systemd", unix))))]
pub mod systemd;
mod terms;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod welcome;

pub use self::book::{ServerBook, Sockets};
pub use self::changes::Changes;
#[cfg(unix)]
pub use self::descriptors::{DescriptorLimit, DescriptorShares};
pub use self::heap::limit_heap_arenas;
pub use self::incoming::Incoming;
pub use self::listener::Listener;
#[cfg(unix)]
pub use self::listener::{SocketFile, UnixSocket};
pub use self::polls::{Polled, Polls};
pub use self::readiness::{Checked, Readiness};
pub use self::running::Drained;
pub use self::server::Server;
pub use self::shutdown::Shutdown;
pub use self::slowest::{SlowRequest, Slowest};
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use self::tls::{PemError, Tls};
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use tokio_rustls::rustls;
