//! The state that the parts around one socket share.
//!
//! Most of it reconstructs state that is private to hyper: whether a request is running, whether
//! its body was read, and whether the response was written. Time-outs in hyper's own server would
//! make it unnecessary (<https://github.com/hyperium/hyper/issues/1628>).

mod request;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use http::{Method, Uri};
use tokio_util::task::task_tracker::TaskTrackerToken;

pub(crate) use self::request::{RunningRequest, Unwritten};
use super::ending::Ending;
use super::resets::Resets;
use crate::ServerBook;
use crate::slowest::Watched;

/// The state that a socket, the edge above hyper and the bodies share. Relaxed atomics suffice:
/// with HTTP/1 everything runs in one task, and with HTTP/2 the flags and counts are independent of
/// each other.
#[derive(Debug)]
pub(crate) struct SocketCell {
    pub(crate) book: Arc<ServerBook>,
    born: Instant,
    /// The service was called for an HTTP/2 request.
    http2: AtomicBool,
    /// The complete preface of HTTP/2 has arrived.
    greeted: AtomicBool,
    /// HTTP/2: responses that are not completely written yet.
    sending: AtomicU32,
    /// HTTP/2: a stream is or was a tunnel, whose end only its route can determine.
    tunnel: AtomicBool,
    /// The number of requests for which the service was called.
    asked: AtomicU32,
    /// The number of running requests: hyper does not have their complete response yet.
    running: AtomicU32,
    /// Bytes have arrived since the last request and none is running, so they belong to the head of
    /// the next one.
    fed: AtomicBool,
    /// The last request has a body, whose end only hyper can determine.
    with_body: AtomicBool,
    /// The last three bytes that arrived.
    tail: AtomicU32,
    /// The first bytes may be those of HTTP/2's preface.
    preface: AtomicBool,
    /// The peer has closed its half of the socket.
    ended: AtomicBool,
    /// The body of the last request was left unread.
    unread: AtomicBool,
    /// The peer does not read.
    blocked: AtomicBool,
    /// How often that began, or the peer read some of what the kernel holds.
    blocks: AtomicU32,
    /// Changes when the peer reads some of what the kernel holds.
    drained: AtomicU32,
    /// HTTP/2: the peer was asked to send no more requests, because it was idle.
    retiring: AtomicBool,
    resets: Resets,
    /// HTTP/2: hyper has sent the peer the reason why the socket ends.
    told: AtomicBool,
    /// Set if the socket was passed to a route: the method and the path of the request. The path is
    /// a copy, because a `Uri` from hyper keeps hyper's whole read buffer alive.
    upgraded: OnceLock<(Method, Box<str>)>,
    /// The length of the current head so far, in bytes, or `u32::MAX` once its first line has
    /// ended.
    first_line: AtomicU32,
    /// The first line of a head is as long as a whole head may be.
    long_target: AtomicBool,
    /// hyper has a response that it has not begun to write: the time at which its request was
    /// parsed, in nanoseconds after `born`, plus one. Zero if there is no such response.
    unwritten: AtomicU64,
    /// HTTP/1.0: the end of the socket is the end of a body.
    ends_body: AtomicBool,
    /// Tells the drain that the peer may send another request. It is taken when an answer announces
    /// the close, when GOAWAY does, or when a route takes the socket.
    reusable: Mutex<Option<TaskTrackerToken>>,
    ending: AtomicU8,
    /// The reason why the socket will end once hyper has finished, if it is not one of hyper's own.
    blame: AtomicU8,
}

/// The event for which a socket currently waits, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first byte of all.
    Silent,
    /// The rest of the first head.
    FirstHead,
    /// The rest of a later head.
    Head,
    /// A request.
    Idle,
    /// A request, part of which hyper may have read after the body of the last one.
    IdleAfterBody,
    /// An answer, or the body of a request.
    Busy,
    /// The peer, which has to read.
    Writing,
    /// An HTTP/2 peer, which has to read the rest and disconnect.
    Retiring,
}

const NOBODY: u8 = u8::MAX;

/// The first line of a head is as long as a whole head may be.
#[derive(Debug)]
pub(super) struct LongTarget;

impl SocketCell {
    pub(crate) fn new(book: Arc<ServerBook>) -> Self {
        Self {
            book,
            born: Instant::now(),
            http2: AtomicBool::new(false),
            greeted: AtomicBool::new(false),
            sending: AtomicU32::new(0),
            tunnel: AtomicBool::new(false),
            asked: AtomicU32::new(0),
            running: AtomicU32::new(0),
            fed: AtomicBool::new(false),
            with_body: AtomicBool::new(false),
            tail: AtomicU32::new(0),
            preface: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            blocks: AtomicU32::new(0),
            drained: AtomicU32::new(0),
            retiring: AtomicBool::new(false),
            resets: Resets::default(),
            told: AtomicBool::new(false),
            upgraded: OnceLock::new(),
            first_line: AtomicU32::new(0),
            long_target: AtomicBool::new(false),
            unwritten: AtomicU64::new(0),
            ends_body: AtomicBool::new(false),
            reusable: Mutex::default(),
            // The state that remains if the socket's task panics.
            ending: AtomicU8::new(Ending::Failed as u8),
            blame: AtomicU8::new(NOBODY),
        }
    }

    /// Returns the awaited event, and a number that changes when the wait starts again.
    pub(crate) fn phase(&self) -> (Phase, u32) {
        let asked = self.asked.load(Relaxed);
        if self.blocked.load(Relaxed) {
            (Phase::Writing, self.blocks.load(Relaxed))
        } else if self.running.load(Relaxed) > 0 {
            (Phase::Busy, 0)
        } else if self.http2.load(Relaxed) {
            if self.retiring.load(Relaxed) {
                (Phase::Retiring, 0)
            } else {
                (Phase::Idle, asked)
            }
        } else {
            match (asked, self.has_some_of_a_head()) {
                (0, false) => (Phase::Silent, 0),
                (0, true) => (Phase::FirstHead, 0),
                (_, true) => (Phase::Head, asked),
                (_, false) if self.with_body.load(Relaxed) => (Phase::IdleAfterBody, asked),
                (_, false) => (Phase::Idle, asked),
            }
        }
    }

    /// Returns whether a part of the next head has arrived, perhaps together with the last request
    /// or during it. Bytes that end with an empty line are a whole head, which hyper answers before
    /// it waits (RFC 9112 §2.1).
    fn has_some_of_a_head(&self) -> bool {
        let tail = self.tail.load(Relaxed);
        let is_at_an_end = tail & 0xffff == 0x0a0a || tail & 0xff_ffff == 0x0a_0d0a;
        let came_along =
            self.asked.load(Relaxed) > 0 && !self.with_body.load(Relaxed) && !is_at_an_end;
        self.fed.load(Relaxed) || came_along
    }

    /// Records that hyper has parsed a head. The guard is kept until hyper has the whole response.
    pub(crate) fn asked(
        self: &Arc<Self>,
        is_http2: bool,
        with_body: bool,
        method: Method,
        uri: Uri,
        watched: Option<Box<Watched>>,
    ) -> RunningRequest {
        self.with_body.store(with_body, Relaxed);
        self.http2.store(is_http2, Relaxed);
        self.asked.fetch_add(1, Relaxed);
        self.running.fetch_add(1, Relaxed);
        self.fed.store(false, Relaxed);
        self.unread.store(false, Relaxed);
        RunningRequest::new(Arc::clone(self), method, uri, watched)
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Relaxed)
    }

    /// Records that HTTP/2's preface has arrived: from now on the peer speaks HTTP/2.
    pub(super) fn greet(&self) {
        if !self.greeted.load(Relaxed) {
            self.greeted.store(true, Relaxed);
        }
    }

    pub(crate) fn has_greeted(&self) -> bool {
        self.greeted.load(Relaxed)
    }

    /// Returns whether an HTTP/2 socket has no stream: no request is running, and no response is
    /// still to be written.
    pub(crate) fn is_without_streams(&self) -> bool {
        self.running.load(Relaxed) == 0
            && self.sending.load(Relaxed) == 0
            && !self.tunnel.load(Relaxed)
            && !self.is_blocked()
    }

    pub(crate) fn retire(&self) {
        self.retiring.store(true, Relaxed);
    }

    /// Records that a request was left unread. Its peer may still be sending it.
    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed) && !self.ended.load(Relaxed)
    }

    /// Returns whether the socket was upgraded and its peer may still be sending.
    pub(crate) fn is_upgraded_and_open(&self) -> bool {
        self.upgraded.get().is_some() && !self.ended.load(Relaxed)
    }

    /// Returns whether the peer is sending a target that is too long for hyper to read.
    pub(crate) fn has_long_target(&self) -> bool {
        self.long_target.load(Relaxed)
    }

    /// Returns whether half an HTTP/1 head has arrived and everything has been written.
    pub(crate) fn awaits_rest_of_head(&self) -> bool {
        self.has_some_of_a_head()
            && !self.preface.load(Relaxed)
            && !self.is_http2()
            && !self.blocked.load(Relaxed)
            && !self.ended.load(Relaxed)
    }

    /// Returns the method and path of the request whose route has the socket now.
    pub(crate) fn upgraded(&self) -> Option<&(Method, Box<str>)> {
        self.upgraded.get()
    }

    /// Records that the peer may send several requests. `token` tells the drain.
    pub(crate) fn is_reusable(&self, token: TaskTrackerToken) {
        *self.reusable.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    /// Records that the peer knows that the socket serves no further request, or that it belongs to
    /// a route.
    pub(crate) fn is_no_longer_reusable(&self) {
        let token = self
            .reusable
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(token);
    }

    /// Records that the end of the socket will be the end of a body.
    pub(crate) fn ends_body(&self) {
        self.ends_body.store(true, Relaxed);
    }

    /// Returns whether a peer would take the socket's end for the end of a body that is not
    /// complete.
    pub(crate) fn would_end_body(&self, ending: Ending) -> bool {
        self.ends_body.load(Relaxed) && !matches!(ending, Ending::Finished | Ending::Idle)
    }

    /// Records that hyper has told an HTTP/2 peer why the socket ends.
    pub(crate) fn tell(&self) {
        self.told.store(true, Relaxed);
    }

    /// Returns whether an HTTP/2 peer can still be sent the reason why the socket ends.
    pub(crate) fn can_be_told(&self) -> bool {
        !self.told.load(Relaxed) && !self.is_blocked()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    /// Returns the number of recent requests that an HTTP/2 peer reset after work on them began.
    pub(crate) fn recent_resets(&self) -> u32 {
        self.resets.recent()
    }

    /// Records that the response to the head parsed at `parsed` was passed to hyper, which will
    /// write it to this socket.
    pub(crate) fn given(&self, parsed: Instant) {
        let stamp = self.stamp(parsed);
        // With pipelining and a slow reader, two heads can wait behind each other. The time of the
        // older one ends now.
        self.record_stamp(self.unwritten.swap(stamp, Relaxed));
    }

    /// Records that the response to the head parsed at `parsed` is written, as far as is known.
    pub(crate) fn record(&self, parsed: Instant) {
        self.book.response_head_seconds.record(parsed.elapsed());
    }

    pub(crate) fn blame(&self, ending: Ending) {
        self.blame.store(ending as u8, Relaxed);
    }

    /// Records the ending, unless there is an earlier one, which is more precise. Returns the one
    /// that counts.
    pub(crate) fn end(&self, ending: Ending) -> Ending {
        let blamed =
            Ending::from_number(self.blame.load(Relaxed)).filter(|_| ending != Ending::Cut);
        let ending = blamed.unwrap_or(ending);
        self.ending.store(ending as u8, Relaxed);
        ending
    }

    /// Fails if the first line of a head does not end within `max_head` bytes.
    pub(super) fn heard(&self, bytes: &[u8], max_head: usize) -> Result<(), LongTarget> {
        let last = &bytes[bytes.len().saturating_sub(3)..];
        let tail = last.iter().fold(self.tail.load(Relaxed), |tail, byte| {
            tail << 8 | u32::from(*byte)
        });
        self.tail.store(tail, Relaxed);
        if bytes.is_empty() {
            self.ended.store(true, Relaxed);
        } else if self.running.load(Relaxed) == 0 {
            if !self.fed.load(Relaxed) {
                const PREFACE: &[u8] = b"PRI * HTTP/2";
                let begin = &bytes[..bytes.len().min(PREFACE.len())];
                self.preface.store(PREFACE.starts_with(begin), Relaxed);
                self.fed.store(true, Relaxed);
                self.first_line.store(0, Relaxed);
            }
            return self.heard_of_a_head(bytes, max_head);
        }
        Ok(())
    }

    /// Measures the first line of a head. Frames of HTTP/2, the bytes of an upgraded socket and the
    /// rest of an unread body are not heads, and are skipped.
    fn heard_of_a_head(&self, bytes: &[u8], max_head: usize) -> Result<(), LongTarget> {
        const ENDED: u32 = u32::MAX;
        let line = self.first_line.load(Relaxed);
        let is_behind_a_body = self.asked.load(Relaxed) > 0 && self.with_body.load(Relaxed);
        if line == ENDED
            || is_behind_a_body
            || self.preface.load(Relaxed)
            || self.is_http2()
            || self.upgraded().is_some()
        {
            return Ok(());
        }
        if bytes.contains(&b'\n') {
            self.first_line.store(ENDED, Relaxed);
            return Ok(());
        }
        let line = line.saturating_add(u32::try_from(bytes.len()).unwrap_or(ENDED));
        self.first_line.store(line, Relaxed);
        // While the last answer is still being written, hyper has to send its answer after that.
        if (line as usize) < max_head || self.is_blocked() {
            return Ok(());
        }
        self.long_target.store(true, Relaxed);
        Err(LongTarget)
    }

    pub(super) fn wrote(&self) {
        self.flushed();
        // A body needs many writes, and a load is cheaper than a read-modify-write.
        if self.unwritten.load(Relaxed) != 0 {
            self.record_stamp(self.unwritten.swap(0, Relaxed));
        }
    }

    pub(super) fn flushed(&self) {
        if self.blocked.load(Relaxed) {
            self.blocked.store(false, Relaxed);
        }
    }

    /// Nothing can be written; `drained` changes when the peer reads nevertheless.
    pub(super) fn cannot_write(&self, drained: u32) {
        let was_blocked = self.blocked.swap(true, Relaxed);
        let has_read = self.drained.swap(drained, Relaxed) != drained;
        if !was_blocked || has_read {
            self.blocks.fetch_add(1, Relaxed);
        }
    }

    fn stamp(&self, parsed: Instant) -> u64 {
        let nanoseconds = parsed.saturating_duration_since(self.born).as_nanos();
        u64::try_from(nanoseconds)
            .unwrap_or(u64::MAX)
            .saturating_add(1)
    }

    fn record_stamp(&self, stamp: u64) {
        if let Some(nanoseconds) = stamp.checked_sub(1) {
            self.record(self.born + Duration::from_nanos(nanoseconds));
        }
    }

    pub(super) fn count_ending(&self) {
        let ending = Ending::from_number(self.ending.load(Relaxed)).unwrap_or(Ending::Failed);
        ending.counter(&self.book.sockets).add(1);
    }
}
