//! A server's limits for its peers: the settings, and the terms of a socket.

use std::time::Duration;

use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto;
use tokio_util::task::TaskTracker;

use crate::clock::Limits;
use crate::incoming::Pace;
use crate::streams::Tracked;

/// The number of bytes of a response's body that h2 buffers per stream for a peer that has opened
/// its window and reads nothing: one frame. hyper's default is 400 KiB.
const SEND_BUFFER: usize = 16 << 10;

/// The number of unread bytes of request bodies that an HTTP/2 peer may send, for all of its
/// streams together and for each. It limits memory and also the speed of an upload: with a round
/// trip of 20 ms, 12.5 MiB a second. hyper's own default is 1 MiB.
const RECEIVE_WINDOW: u32 = 256 << 10;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) handshake_timeout: Duration,
    pub(crate) pace: Pace,
    pub(crate) half_close: bool,
    pub(crate) max_sockets: usize,
    pub(crate) max_sockets_per_peer: usize,
    pub(crate) close_idle_for_new: bool,
    pub(crate) max_resets: u32,
    pub(crate) max_control_frames: u32,
    pub(crate) keep_alive: bool,
    pub(crate) max_header_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) max_concurrent_streams: u32,
    pub(crate) max_pending_accept_reset_streams: usize,
    pub(crate) ping_interval: Duration,
    pub(crate) ping_timeout: Duration,
}

impl Settings {
    /// hyper's own limit, up to which its table of headers is on the stack.
    const HYPER_MAX_HEADERS: usize = 100;
    /// hyper panics if the buffer is smaller.
    const HYPER_MIN_BUFFER: usize = 8 << 10;

    /// Returns the maximum length of an HTTP/1 request's head, in bytes.
    pub(crate) fn max_head(&self) -> usize {
        self.max_header_size.max(Self::HYPER_MIN_BUFFER)
    }

    /// Returns the maximum length of a request's target, in bytes: half of a head, but at least the
    /// length that RFC 9110 §4.1 recommends.
    pub(crate) fn max_target(&self) -> usize {
        (self.max_header_size / 2).max(8000)
    }

    pub(crate) fn builder(&self, executor: Tracked) -> auto::Builder<Tracked> {
        let mut builder = auto::Builder::new(executor);
        let mut http1 = builder.http1();
        http1
            // Our own timer distinguishes a pause from a head.
            .header_read_timeout(None)
            .half_close(self.half_close)
            .keep_alive(self.keep_alive)
            .max_buf_size(self.max_head());
        if self.max_headers != Self::HYPER_MAX_HEADERS {
            http1.max_headers(self.max_headers);
        }
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.max_concurrent_streams)
            .max_send_buf_size(SEND_BUFFER)
            .initial_connection_window_size(RECEIVE_WINDOW)
            .initial_stream_window_size(RECEIVE_WINDOW)
            .max_pending_accept_reset_streams(self.max_pending_accept_reset_streams)
            .max_header_list_size(u32::try_from(self.max_header_size).unwrap_or(u32::MAX))
            .keep_alive_interval((!self.ping_interval.is_zero()).then_some(self.ping_interval))
            .keep_alive_timeout(self.ping_timeout);
        builder
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits {
                head: Duration::from_secs(10),
                idle: Duration::from_secs(30),
                write: Duration::from_secs(60),
            },
            handshake_timeout: Duration::from_secs(10),
            pace: Pace {
                stall: Duration::from_secs(30),
                bytes: 15 << 10,
                span: Duration::from_secs(60),
            },
            half_close: false,
            max_sockets: 20_000,
            max_sockets_per_peer: 0,
            close_idle_for_new: false,
            max_resets: 200,
            max_control_frames: 10_000,
            keep_alive: true,
            max_header_size: 64 << 10,
            max_headers: Self::HYPER_MAX_HEADERS,
            max_concurrent_streams: 100,
            max_pending_accept_reset_streams: 20,
            ping_interval: Duration::from_secs(60),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// The limits that apply to a socket for as long as it is open.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) http: auto::Builder<Tracked>,
    pub(crate) limits: Limits,
    pub(crate) handshake_timeout: Duration,
    pub(crate) max_resets: u32,
    pub(crate) max_control_frames: u32,
    pub(crate) max_head: usize,
    pub(crate) max_target: usize,
    pub(crate) pace: Pace,
}

impl Terms {
    pub(crate) fn new(settings: &Settings, tasks: &TaskTracker) -> Self {
        Self {
            http: settings.builder(Tracked {
                tasks: tasks.clone(),
                stall: settings.limits.write,
            }),
            limits: settings.limits,
            handshake_timeout: settings.handshake_timeout,
            max_resets: settings.max_resets,
            max_control_frames: settings.max_control_frames,
            max_head: settings.max_head(),
            max_target: settings.max_target(),
            pace: settings.pace,
        }
    }
}
