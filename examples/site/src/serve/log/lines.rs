//! Lines on their way to standard error, or to a file.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::output::Output;
use crate::pages::address::misleads;

/// The maximum number of bytes that wait to be written: about 30,000 lines. Lines are as long as
/// the addresses in them, so a limit on lines would not limit the memory.
const WAITING: usize = 4 << 20;

/// A buffer that has grown beyond this is not kept.
const KEPT: usize = 64 << 10;

/// The time after a write in which lines are collected for the next one. A line after a longer
/// silence is written at once. Otherwise the thread would be woken for every request.
const PAUSE: Duration = Duration::from_millis(10);

/// The time for writing the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Takes lines and never waits, because a separate thread writes them. If their reader stops or
/// disconnects, lines are lost and counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
    lost: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    /// The file has been renamed.
    reopens: bool,
    is_over: bool,
    /// The thread waits for a line, and not only for the end of its pause.
    is_idle: bool,
}

/// When it is dropped, it waits a while for the last lines.
#[derive(Debug)]
pub(crate) struct Writing {
    lines: Lines,
    written: Receiver<()>,
}

impl Lines {
    /// Lines are written to `out` as long as [`Writing`] is kept.
    ///
    /// # Errors
    ///
    /// The thread cannot be started.
    pub(super) fn start(name: &str, out: Output) -> io::Result<(Self, Writing)> {
        Self::start_with(name, out, PAUSE)
    }

    fn start_with(name: &str, out: Output, pause: Duration) -> io::Result<(Self, Writing)> {
        let lines = Self::default();
        let (end, written) = channel();
        let from = lines.clone();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                from.write_to(out, pause);
                drop(end);
            })?;
        Ok((lines.clone(), Writing { lines, written }))
    }

    /// Opens the file again after it was rotated. Earlier lines are written to the open file, and
    /// later ones to the file that then has the name.
    pub(crate) fn reopen(&self) {
        self.waiting().reopens = true;
        self.0.more.notify_one();
    }

    /// The number of lines lost because there was no room, or they could not be written.
    pub(crate) fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes everything that has arrived since the last time, and pauses, until the end.
    fn write_to(&self, mut out: Output, pause: Duration) {
        let mut text = Vec::new();
        loop {
            let nothing = |waiting: &mut Waiting| {
                waiting.is_idle = waiting.text.is_empty() && !waiting.reopens && !waiting.is_over;
                waiting.is_idle
            };
            let waited = self.0.more.wait_while(self.waiting(), nothing);
            let mut waiting = waited.unwrap_or_else(PoisonError::into_inner);
            if waiting.text.is_empty() && !waiting.reopens {
                return;
            }
            std::mem::swap(&mut waiting.text, &mut text);
            let reopens = std::mem::take(&mut waiting.reopens);
            drop(waiting);
            if out.write_all(&text).is_err() {
                let lines = text.iter().filter(|byte| **byte == b'\n').count();
                self.0.lost.fetch_add(lines as u64, Ordering::Relaxed);
            }
            text.clear();
            text.shrink_to(KEPT);
            if reopens {
                out.reopen();
            }
            let pauses = |waiting: &mut Waiting| !waiting.reopens && !waiting.is_over;
            let paused = self
                .0
                .more
                .wait_timeout_while(self.waiting(), pause, pauses);
            drop(paused);
        }
    }
}

/// A line in which every character is visible, because clients choose the addresses. Other
/// characters are escaped as in JSON, which is valid in both formats.
fn visible(line: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(line) {
        Ok(text) if !text.is_ascii() && text.contains(misleads) => {
            let mut visible = String::with_capacity(line.len() + 16);
            for character in text.chars() {
                if misleads(character) {
                    // Writing to a string does not fail. None of them is beyond U+FFFF.
                    let _ = write!(visible, "\\u{:04x}", u32::from(character));
                } else {
                    visible.push(character);
                }
            }
            visible.into_bytes().into()
        }
        _ => line.into(),
    }
}

/// Each write is one line, as the subscriber does it.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shown = visible(line);
        let mut waiting = self.waiting();
        if waiting.text.len() + shown.len() > WAITING {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return Ok(line.len());
        }
        let is_idle = std::mem::take(&mut waiting.is_idle);
        waiting.text.extend_from_slice(&shown);
        drop(waiting);
        if is_idle {
            self.0.more.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.lines.waiting().is_over = true;
        self.lines.0.more.notify_one();
        // The error is expected: nothing is ever sent, and the other end is dropped when everything
        // is written.
        let _ = self.written.recv_timeout(LAST_LINES);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write, pipe};
    use std::os::fd::OwnedFd;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::{Lines, visible};
    use crate::serve::log::output::Output;

    #[test]
    fn a_line_after_a_silence_is_written_at_once_and_those_after_it_together() {
        let (mut reader, writer) = pipe().unwrap();
        let file = File::from(OwnedFd::from(writer));
        let path = PathBuf::new();
        let out = Output::File { file, path };
        let (lines, writing) = Lines::start_with("log", out, Duration::from_secs(600)).unwrap();
        let mut read = move || {
            let mut text = [0; 64];
            let length = reader.read(&mut text).unwrap();
            String::from_utf8_lossy(&text[..length]).into_owned()
        };
        (&lines).write_all(b"first\n").unwrap();
        assert_eq!(read(), "first\n");
        for line in ["second\n", "third\n", "fourth\n"] {
            (&lines).write_all(line.as_bytes()).unwrap();
        }
        drop(writing);
        assert_eq!(read(), "second\nthird\nfourth\n");
        assert_eq!(read(), "");
    }

    #[test]
    fn line_shows_invisible_characters_and_marks_of_direction_as_escapes() {
        let line = "GET /a\u{202e}gpj.exe b\u{200b}\u{2028} \u{e9}\n".as_bytes();
        let shown = "GET /a\\u202egpj.exe b\\u200b\\u2028 \u{e9}\n".as_bytes();
        assert_eq!(&*visible(line), shown);
        for line in [
            "plain\n".as_bytes(),
            "\u{200d}\u{1f469}\n".as_bytes(),
            b"caf\xe9\n",
        ] {
            assert_eq!(&*visible(line), line);
        }
    }
}
