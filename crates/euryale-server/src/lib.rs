//! The server around the onion: sockets in, HTTP out, and an end that comes when it is asked for.
//!
//! It is the outermost part: everything else is the `service` that [`Server::serve`] is given, an
//! axum `Router` or any other. It holds no worker and no connection, and nothing in it blocks.
//!
//! * HTTP/1.1 and HTTP/2 (prior knowledge, or chosen in the handshake) through hyper, on TCP and
//!   Unix sockets ([`UnixSocket`]), with TLS ([`Tls`], feature `tls`) or without; several
//!   listeners; the PROXY protocol ([`Listener::proxy_protocol`]); accept errors back off and never
//!   end the server.
//! * Peers that send nothing, half a head, half a body or half of HTTP/2's preface, that do not
//!   read or only stay, are closed in time, each for a reason that the metrics name
//!   ([`Server::head_timeout`] and its neighbours).
//! * Heads that another server might read differently are answered 400: two hosts or none, targets
//!   that do not fit the method, names with underscores, values of HTTP/2 with white space at their
//!   ends. Transfer codings other than `chunked` are answered 501, targets that are too long 414.
//!   Such requests are counted (`requests_refused`) and logged. A peer that is refused while it
//!   sends can still read the reason: the server drains the socket before it closes it, upgraded
//!   sockets included.
//! * Files of HTTP/1 responses leave with `sendfile(2)`, at about the cost that they have in nginx:
//!   whatever layers and middleware gave the response, as long as its body is still the blob
//!   ([`SendfileIo`]). With the feature `axum`, plain `axum::serve` does that, too.
//! * Limits and time-outs that can be changed while it is at work ([`Changes`]).
//! * A drain with a deadline that is always met ([`Server::serve`], [`Shutdown`]); requests that it
//!   cuts are named in the log.
//! * Sockets from systemd, and word to it (`systemd`, a feature).
//! * Health, metrics and a live status page on a listener of their own, which answers while every
//!   worker is stuck ([`Admin`]), and while every descriptor but its own is in use
//!   ([`DescriptorLimit`]).
//!
//! The guide has [a whole program](https://docs.rs/euryale/latest/euryale/guide/deploying/), and
//! what to set where.
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
//! A program should build its runtime by hand and end it with `shutdown_timeout`, as above. What
//! `#[tokio::main]` makes is dropped at the end of `main`, and dropping a runtime waits for its
//! blocking threads: a publisher that never returns would keep the process for ever, however well
//! its peers were drained.
//!
//! It replaces, from Zope: ZServer's Medusa channels on the `asyncore` loop, where one peer's work
//! delayed all others, and the phases of its `Lifetime` shutdown: the veto with a time limit is
//! [`Server::drain_deadline`].
//!
//! # Hostile peers
//!
//! Each is a test. The reason is that of `euryale_sockets_closed_total`.
//!
//! | what they do | what ends it | reason |
//! |---|---|---|
//! | nothing, half a handshake | [`Server::handshake_timeout`] | `handshake` |
//! | nothing, half a preface, a head that trickles | [`Server::head_timeout`] | `silent`, `head_elapsed` |
//! | a body that stops or trickles | [`Server::body_timeout`], [`Server::body_rate`] | `body_elapsed` |
//! | they do not read | [`Server::write_timeout`]; a stream of HTTP/2 is reset | `stalled` |
//! | they only stay | [`Server::idle_timeout`] | `idle` |
//! | resets, of their own or provoked | [`Server::max_resets`] and the limits of h2 | `flood` |
//! | PING, SETTINGS, WINDOW_UPDATE and their like | [`Server::max_control_frames`] | `flood` |
//! | CONTINUATION without end, DATA of no or few bytes | the limits of h2 | `flood` |
//!
//! For a flood the peer is told GOAWAY with ENHANCE_YOUR_CALM. For one that does not read nothing
//! piles up: h2 answers a PING or SETTINGS before it reads on, and the kernel takes at most 256 KiB
//! that the peer does not.
//!
//! Not limited are the requests that a peer may make, which the queue for connections refuses when
//! it is full, and bandwidth. A peer that reads a few bytes now and then keeps its socket, its file
//! and those 256 KiB for as long as it likes:
//! [`max_sockets_per_peer`](Server::max_sockets_per_peer) says how often. h2 logs each
//! acknowledgement that it did not ask for at WARN: within `max_control_frames`, but in a log.
//!
//! An upgraded socket belongs to its route. It counts as open, and is cut with the others at the
//! end of a drain; no other deadline of the server holds for it. A route that keeps peers as long
//! as they like, a WebSocket for instance, should ask them for a sign of life now and then, and
//! bound the time of its writes.
//!
//! # Cancellation
//!
//! When a peer goes away hyper drops the service's future, for HTTP/1 as soon as it sees the end of
//! the stream, which it cannot while bytes of a pipelined request stand before it. When the future
//! of [`Server::serve`] is dropped its listeners are closed and all sockets are cut, handshakes and
//! tunnels included.
//!
//! # Backpressure
//!
//! Sockets are limited in number, in all and by peer; how much work they may cause is the business
//! of the queue for connections, which refuses at once when it is full. One HTTP/2 peer has at most
//! [`Server::max_concurrent_streams`] requests, and of the files among their answers, parts of them
//! included, 32 are under way: the head of one more waits, its file open and unread. It waits only
//! while the peer reads the others: when the peer has taken nothing of any file for
//! [`Server::write_timeout`], the files that wait are given up with those that stall. Bodies are
//! read no faster than the service takes them and the peer reads them.
//!
//! # Errors
//!
//! None: the service is infallible, and what goes wrong with one socket ends that socket and is
//! counted in `ledger.sockets`. [`Drained`] says what had to be cut.
//!
//! # Panics
//!
//! A panic of the service ends its socket (HTTP/1) or its stream (HTTP/2) and nothing else. Panics
//! of publishers do not come this far: the pool catches them.
//!
//! # Behind a proxy
//!
//! [`Peer`](euryale_core::Peer) is the proxy, or whom it speaks for by the PROXY protocol.
//! Forwarded headers are not looked at here. Keep [`Server::idle_timeout`] above the time for which
//! the proxy keeps idle sockets.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod accept;
mod admin;
#[cfg(all(feature = "axum", target_os = "linux"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "axum", target_os = "linux"))))]
pub mod axum;
mod calendar;
mod clock;
mod conversation;
mod crowd;
#[cfg(unix)]
mod descriptors;
mod edge;
mod farewell;
mod framing;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod heap;
mod incoming;
mod listener;
mod outgoing;
mod per_peer;
mod proxy_protocol;
mod readiness;
mod running;
#[cfg(target_os = "linux")]
mod sendfile;
#[cfg(not(target_os = "linux"))]
#[path = "sendfile_elsewhere.rs"]
mod sendfile;
mod server;
mod settings;
mod shutdown;
mod slowest;
mod socket;
mod streams;
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

pub use self::admin::{Admin, Held, StatusDetails};
#[cfg(unix)]
pub use self::descriptors::{DescriptorLimit, DescriptorShares};
pub use self::incoming::Incoming;
pub use self::listener::Listener;
#[cfg(unix)]
pub use self::listener::UnixSocket;
pub use self::readiness::{Checked, Readiness};
pub use self::running::Drained;
#[cfg(target_os = "linux")]
pub use self::sendfile::SendfileIo;
pub use self::server::Server;
pub use self::settings::BLOCKING_THREADS;
pub use self::shutdown::Shutdown;
pub use self::slowest::Slowest;
pub use self::terms::Changes;
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use self::tls::Tls;
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
pub use tokio_rustls::rustls;
