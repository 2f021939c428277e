//! HTTP/2 frames that cost work without requesting anything.
//!
//! h2 has a budget for small DATA frames (<https://github.com/hyperium/h2/pull/935>). A similar
//! budget for all frames that request nothing would make this file unnecessary. There is no issue
//! for it that we know of.

#[cfg(test)]
mod tests;

use tokio::time::{Duration, Instant};

/// Follows the bytes that a peer sends, and counts frames that request nothing: PING, SETTINGS,
/// PRIORITY, WINDOW_UPDATE, RST_STREAM, unknown types, and empty DATA.
///
/// h2 answers each PING and each SETTINGS, and limits neither (CVE-2019-9512, CVE-2019-9515). Its
/// answers do not pile up, because h2 reads on only when the last answer is written; but a peer
/// that reads its answers can continue forever.
///
/// Normal requests and answers also cause such frames, which open windows and change priorities. So
/// each request and each KiB sent restores credit.
#[derive(Debug)]
pub(super) struct Frames {
    state: Reading,
    most: u32,
    credit: u32,
    /// The time at which the credit was last full.
    full: Instant,
    /// Written bytes that have not restored credit yet.
    written: usize,
}

/// Preface ⇒ Head ⇒ Payload ⇒ Head; Preface ⇒ Http1 for a peer that begins with other bytes.
#[derive(Debug)]
enum Reading {
    /// The number of the preface's bytes that have arrived.
    Preface(usize),
    Head {
        bytes: [u8; HEAD],
        came: usize,
    },
    /// The number of bytes that are still to arrive.
    Payload(usize),
    Http1,
}

/// The peer exceeded its credit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flood;

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The head of a frame (RFC 9113 §4.1): three bytes of length, one of type, one of flags, four of
/// stream.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
/// h2 has its own limit for this type.
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// The time after which the credit is full again, whatever the peer does.
const SPAN: Duration = Duration::from_secs(10);
/// The credit that a request restores. Browsers send a window and one or two priorities with each.
const REQUEST: u32 = 10;
/// The number of written bytes that restore one frame of credit. A client that opens both windows
/// for every frame of 16 KiB sends two frames for sixteen of these.
const BYTES: usize = 1024;

impl Frames {
    /// Allows `most` frames in ten seconds, in addition to those that requests and answers explain.
    pub(super) fn new(most: u32) -> Self {
        Self {
            state: Reading::Preface(0),
            most,
            credit: most,
            full: Instant::now(),
            written: 0,
        }
    }

    /// Counts the frames in bytes that the peer sent.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            match &mut self.state {
                Reading::Http1 => return Ok(()),
                Reading::Preface(came) => {
                    let expected = &PREFACE[*came..];
                    let next = bytes.len().min(expected.len());
                    if bytes[..next] != expected[..next] {
                        self.state = Reading::Http1;
                        return Ok(());
                    }
                    *came += next;
                    bytes = &bytes[next..];
                    if *came == PREFACE.len() {
                        self.state = Reading::head();
                    }
                }
                Reading::Payload(left) => {
                    let next = bytes.len().min(*left);
                    *left -= next;
                    bytes = &bytes[next..];
                    if *left == 0 {
                        self.state = Reading::head();
                    }
                }
                Reading::Head { bytes: head, came } => {
                    let next = bytes.len().min(HEAD - *came);
                    head[*came..*came + next].copy_from_slice(&bytes[..next]);
                    *came += next;
                    bytes = &bytes[next..];
                    if *came == HEAD {
                        let head = *head;
                        self.frame(head)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns whether the complete preface of HTTP/2 has arrived.
    pub(super) fn are_http2(&self) -> bool {
        matches!(self.state, Reading::Head { .. } | Reading::Payload(_))
    }

    /// Records bytes that were written to the peer.
    pub(super) fn wrote(&mut self, count: usize) {
        if matches!(self.state, Reading::Http1) {
            return;
        }
        self.written += count;
        let explained = u32::try_from(self.written / BYTES).unwrap_or(u32::MAX);
        self.written %= BYTES;
        self.give(explained);
    }

    fn frame(&mut self, head: [u8; HEAD]) -> Result<(), Flood> {
        let [high, middle, low, kind, flags, ..] = head;
        let length = u32::from_be_bytes([0, high, middle, low]) as usize;
        self.state = if length == 0 {
            Reading::head()
        } else {
            Reading::Payload(length)
        };
        match kind {
            HEADERS => self.give(REQUEST),
            CONTINUATION => {}
            DATA if length > 0 || flags & END_STREAM != 0 => {}
            _ => return self.take(),
        }
        Ok(())
    }

    fn give(&mut self, credit: u32) {
        self.credit = self.credit.saturating_add(credit).min(self.most);
    }

    fn take(&mut self) -> Result<(), Flood> {
        if self.credit == 0 {
            let now = Instant::now();
            if now.duration_since(self.full) < SPAN {
                return Err(Flood);
            }
            (self.credit, self.full) = (self.most, now);
        }
        // Zero allows no such frames at all.
        self.credit = self.credit.checked_sub(1).ok_or(Flood)?;
        Ok(())
    }
}

impl Reading {
    fn head() -> Self {
        Self::Head {
            bytes: [0; HEAD],
            came: 0,
        }
    }
}
