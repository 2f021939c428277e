//! The server and its settings.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
use euryale_core::threads::BlockingLane;
use euryale_core::{BoxError, Ledger};
use http::{Request, Response};
use tower_service::Service;

use crate::changes::Changes;
use crate::incoming::Incoming;
use crate::listener::Listener;
use crate::operators::Operators;
use crate::polls::Polls;
use crate::running::{Drained, RunningServer};
use crate::shutdown::Shutdown;
use crate::slowest::Slowest;
use crate::terms::Settings;

/// Serves HTTP/1.1 and, to peers that begin with its preface, HTTP/2 (RFC 9113 §3.3).
///
/// See the [crate](crate) for an example.
#[derive(Debug)]
#[must_use = "a server does nothing until `serve`"]
pub struct Server {
    listeners: Vec<Listener>,
    operators: Option<Operators>,
    ledger: Ledger,
    pub(crate) settings: Settings,
    changes: Changes,
    slowest: Option<Slowest>,
    polls: Option<Polls>,
    lame_duck: Duration,
    drain_deadline: Duration,
    log_drain: bool,
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    heap: BlockingLane,
}

impl Server {
    /// The deadline for operators' sockets after everything else has ended. Their answers never
    /// wait.
    const OPERATORS_DEADLINE: Duration = Duration::from_millis(250);

    /// Creates a server with the default settings and no listener.
    pub fn new() -> Self {
        Self {
            listeners: Vec::new(),
            operators: None,
            ledger: Ledger::new(),
            settings: Settings::default(),
            changes: Changes::default(),
            slowest: None,
            polls: None,
            lame_duck: Duration::from_secs(2),
            drain_deadline: Duration::from_secs(30),
            log_drain: true,
            #[cfg(all(target_os = "linux", target_env = "gnu"))]
            heap: crate::heap::lane(),
        }
    }

    /// Also accepts peers from this listener.
    pub fn listen(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Answers operators on a separate listener, which stays up during the drain and ends last. Its
    /// sockets are not counted in the ledger. Give the listener a
    /// [reserve](crate::Listener::reserve), so that it answers even if there is no other
    /// descriptor.
    ///
    /// It has as many places as the reserve, 4 to 32, or [`max_sockets`](Self::max_sockets) without
    /// a reserve. When all places are taken, the socket that has been idle longest, between two
    /// requests or before the first, is closed for a new one. So neither monitors that keep their
    /// sockets nor silent peers keep operators out. An open status page is not idle.
    ///
    /// `service` is the `Admin` of `euryale-admin`, a router around it, or any other service that
    /// never fails.
    pub fn admin<S, B>(mut self, listener: impl Into<Listener>, service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.operators = Some(Operators::new(listener.into(), service));
        self
    }

    /// Counts in this ledger: see [`ServerBook`](crate::ServerBook). Default: one of its own. The
    /// server's blocking threads are declared in it at once: one that returns freed memory to the
    /// system, and 16 for the whole process that read files into the page cache before they are
    /// sent.
    ///
    /// With HTTP/1, `response_head_seconds` ends at the first write to the socket after the
    /// response was passed to hyper. HTTP/2 is multiplexed, so there it ends when the response is
    /// passed to hyper.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        euryale_sendfile::declare_threads(&ledger);
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        self.heap.declare(&ledger);
        self.ledger = ledger;
        self
    }

    /// Keeps the slowest requests in this list, for the status page. Default: none are kept.
    pub fn slowest(mut self, slowest: &Slowest) -> Self {
        self.slowest = Some(slowest.clone());
        self
    }

    /// Records in this list which request each thread is polling, for a dump. Default: none.
    pub fn polls(mut self, polls: &Polls) -> Self {
        self.polls = Some(polls.clone());
        self
    }

    /// The maximum time for a request's head. Default: 10 s.
    ///
    /// The time is absolute: bytes that trickle in do not extend it. For the first request it
    /// starts at the accept, so that a peer that sends nothing, or only a part of HTTP/2's preface,
    /// is closed as well. For later HTTP/1 requests it starts at the first byte of the head. Half a
    /// head is answered 408. Ten seconds are enough for the slowest honest client, and a thousand
    /// dishonest ones hold a thousand descriptors no longer than that.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.settings.limits.head = timeout;
        self
    }

    /// The maximum time for which a socket without a request is kept. Default: 30 s.
    ///
    /// Behind a proxy that keeps idle sockets, set it above the proxy's own idle time, or the proxy
    /// will occasionally use a socket that is just being closed. HTTP/2 peers get GOAWAY.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.limits.idle = timeout;
        self
    }

    /// The maximum time for which a peer may read nothing. Default: 60 s, as in nginx.
    ///
    /// The time runs while the socket's buffers are full: on Linux they hold the bytes in flight,
    /// and 256 KiB more, or up to 4 MiB of files that are sent with `sendfile(2)` to fast peers. A
    /// peer that reads some of it in this time stays. An HTTP/2 stream is reset
    /// with CANCEL if its peer opens no window for this long, or if its file waits for its turn
    /// while the peer reads nothing of any other file.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.settings.limits.write = timeout;
        self
    }

    /// The maximum pause in the body of a request while the service waits for it. Default: 30 s.
    /// After that the service gets an error with the code
    /// [`BODY_STALLED`](euryale_core::error::BODY_STALLED), for 408.
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.settings.pace.stall = timeout;
        self
    }

    /// The minimum number of bytes of a request's body that must arrive in each `span` in which the
    /// service waits for them; fewer count as a stall. Default: 15 KiB in 60 s, a tenth of the
    /// speed of the slowest mobile networks.
    pub fn body_rate(mut self, bytes: u64, span: Duration) -> Self {
        self.settings.pace.bytes = bytes;
        self.settings.pace.span = span;
        self
    }

    /// The maximum time for a TLS handshake and a PROXY header before it. Default: 10 s.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.settings.handshake_timeout = timeout;
        self
    }

    /// The maximum number of open sockets. Default: 20,000; an idle one costs a descriptor and some
    /// KB. Further peers wait in the listener's queue in the kernel until others end. The process
    /// needs as many descriptors, plus those that requests open:
    /// [`DescriptorLimit`](crate::DescriptorLimit) raises its limit, and computes what fits below
    /// it.
    pub fn max_sockets(mut self, count: usize) -> Self {
        self.settings.max_sockets = count;
        self
    }

    /// The maximum number of open sockets of one address; further ones are closed at once. An IPv6
    /// network of 64 bits counts as one address. Sockets count from the accept, including those in
    /// a TLS handshake. Default: 0, which means no limit, because all peers behind a proxy have the
    /// same address. If the proxy reports addresses by the PROXY protocol, those count.
    pub fn max_sockets_per_peer(mut self, count: usize) -> Self {
        self.settings.max_sockets_per_peer = count;
        self
    }

    /// Sets whether a new peer at the limit of open sockets gets the place of the socket that has
    /// been idle longest, which is closed. Default: `false`, so new peers wait. For a server of
    /// operators that has few places and monitors that keep sockets open. [`Server::admin`] always
    /// does this.
    pub fn close_idle_for_new(mut self, close: bool) -> Self {
        self.settings.close_idle_for_new = close;
        self
    }

    /// Sets whether an HTTP/1 peer that has closed its half of the socket still gets its answer.
    /// Default: `false`, as in nginx: the end of the stream means that the client has left and its
    /// request need not be served.
    ///
    /// Some balancers close their half of a socket after the request. With `true` they get answers,
    /// but a client that has hung up is then indistinguishable from one that waits, until the first
    /// write to it fails.
    pub fn half_close(mut self, half_close: bool) -> Self {
        self.settings.half_close = half_close;
        self
    }

    /// Sets whether HTTP/1 sockets serve more than one request. Default: `true`, because connecting
    /// costs more than most requests.
    pub fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.settings.keep_alive = keep_alive;
        self
    }

    /// The maximum size of a request's head, in bytes; a larger one is refused with 431. Default:
    /// 64 KiB, and at least 8 KiB for HTTP/1. This is generous for cookies, and small enough that a
    /// thousand peers that send endless heads hold only 64 MiB.
    ///
    /// The target of a request may have half of this size, but at least 8,000 bytes (RFC 9110
    /// §4.1); a longer one is refused with 414 (RFC 9112 §3). An HTTP/2 head beyond the whole limit
    /// is answered 431 by h2, and is not counted.
    ///
    /// With HTTP/1 this is the size of hyper's buffer, so it also limits how far the body of a
    /// response is read ahead. With HTTP/2 it is announced as SETTINGS_MAX_HEADER_LIST_SIZE (RFC
    /// 9113 §6.5.2).
    pub fn max_header_size(mut self, bytes: usize) -> Self {
        self.settings.max_header_size = bytes;
        self
    }

    /// The maximum number of fields in a request's head over HTTP/1; more are refused with 431.
    /// Default: 100, which hyper parses without allocating; with another number it allocates for
    /// every request. HTTP/2 has only [`max_header_size`](Self::max_header_size).
    pub fn max_headers(mut self, count: usize) -> Self {
        self.settings.max_headers = count;
        self
    }

    /// The maximum number of open requests of one HTTP/2 peer. Default: 100, the minimum that RFC
    /// 9113 §6.5.2 recommends; with more, one peer could fill the queue for connections.
    pub fn max_concurrent_streams(mut self, count: u32) -> Self {
        self.settings.max_concurrent_streams = count;
        self
    }

    /// The maximum number of streams that an HTTP/2 peer may open and reset before the server has
    /// handled them; more end the socket with GOAWAY. Default: 20, because honest clients seldom
    /// cancel that fast, and floods do nothing else (CVE-2023-44487).
    pub fn max_pending_accept_reset_streams(mut self, count: usize) -> Self {
        self.settings.max_pending_accept_reset_streams = count;
        self
    }

    /// The maximum number of requests that an HTTP/2 peer may reset in ten seconds after work on
    /// them has begun; more end the socket with GOAWAY. Default: 200. It is the counterpart of
    /// [`max_pending_accept_reset_streams`](Self::max_pending_accept_reset_streams) for floods that
    /// wait until each request has begun.
    pub fn max_resets(mut self, count: u32) -> Self {
        self.settings.max_resets = count;
        self
    }

    /// The maximum number of frames without content that an HTTP/2 peer may send in ten seconds, in
    /// addition to ten for each request and one for each KiB that it receives; more end the socket
    /// with GOAWAY. Default: 10,000.
    ///
    /// PING, SETTINGS, PRIORITY, WINDOW_UPDATE, RST_STREAM, empty DATA and unknown frames each cost
    /// a little and request nothing (CVE-2019-9512 and similar). Honest clients send hundreds,
    /// seldom more. The default only stops floods, which send a thousand times as many.
    pub fn max_control_frames(mut self, count: u32) -> Self {
        self.settings.max_control_frames = count;
        self
    }

    /// Sends a PING to HTTP/2 peers after each `interval`, and closes those that do not answer
    /// within `timeout`. Otherwise a peer that has vanished would keep its socket forever.
    /// Default: 60 s and 20 s. An interval of zero sends none.
    pub fn ping(mut self, interval: Duration, timeout: Duration) -> Self {
        self.settings.ping_interval = interval;
        self.settings.ping_timeout = timeout;
        self
    }

    /// The time for which idle sockets stay open after the drain has begun, so that a client whose
    /// next request is on its way does not find the socket closed. Default: 2 s.
    ///
    /// In this time each answer over HTTP/1 says `Connection: close`, and HTTP/2 peers get GOAWAY
    /// (RFC 9112 §9.6, RFC 9113 §6.8). Listeners accept new peers, except
    /// [inherited](Listener::inherited) ones. It ends early when every peer has been told, and
    /// [`Shutdown::drain_at_once`] skips it, which is what SIGINT does. It takes at most half
    /// of the [`drain_deadline`](Self::drain_deadline).
    ///
    /// Set it to zero behind a proxy that has stopped sending requests before the drain begins, as
    /// with the agent check of HAProxy.
    pub fn lame_duck(mut self, time: Duration) -> Self {
        self.lame_duck = time;
        self
    }

    /// The maximum time of a drain, in which peers can finish. Default: 30 s, which supervisors
    /// commonly grant before they kill a process. The deadline is always met: sockets that are
    /// still open are cut.
    pub fn drain_deadline(mut self, deadline: Duration) -> Self {
        self.drain_deadline = deadline;
        self
    }

    /// Sets whether one line (INFO) is logged at the end of the drain, with the numbers of requests
    /// that finished and that were cut. Default: yes. Turn it off for a second server of the same
    /// program, such as one for operators.
    pub fn log_drain(mut self, log: bool) -> Self {
        self.log_drain = log;
        self
    }

    /// Returns the handle that changes limits and time-outs while the server runs.
    pub fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// Serves until `shutdown` begins to drain, then drains, and returns the result.
    ///
    /// `service` is an axum `Router`, or any clonable service that takes [`Incoming`] bodies and
    /// never fails. It is cloned for every socket and for every request. Each request has a
    /// [`Peer`](euryale_core::request::Peer) in its extensions.
    ///
    /// The drain begins with the [lame duck](Self::lame_duck), in which requests on idle sockets
    /// are still answered. Then the server closes the listeners and the idle sockets; others finish
    /// the response in flight (HTTP/1: with `Connection: close` if its head is still to come;
    /// HTTP/2: GOAWAY, and a second for requests that are on their way) until the
    /// [`drain_deadline`](Self::drain_deadline), or until `shutdown` cuts. A socket that was
    /// upgraded belongs to its route, which should watch [`Shutdown::draining`] and end: the drain
    /// waits for it like for any other, and when it cuts, the route can read and write no more.
    pub async fn serve<S, B>(self, service: S, shutdown: Shutdown) -> Drained
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let settings = self.settings.clone();
        let operators = self.operators.map(|operators| operators.start(settings));
        let counts = (self.ledger, self.slowest, self.polls);
        let admission = self.changes.begin(self.settings);
        let running = RunningServer::start(admission, counts, self.listeners, service);
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        running.keep_heap_small(self.heap);
        shutdown.draining().await;
        let drained = running
            .drain(self.lame_duck, self.drain_deadline, &shutdown)
            .await;
        if self.log_drain {
            tracing::info!(drained.finished, drained.cut, "drained");
        }
        if let Some(operators) = operators {
            operators
                .drain(Duration::ZERO, Self::OPERATORS_DEADLINE, &Shutdown::new())
                .await;
        }
        drained
    }
}

impl Default for Server {
    fn default() -> Self {
        Self::new()
    }
}
