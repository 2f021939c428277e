//! Passes log lines to Python's `logging`.
//!
//! Rust's events never wait for the GIL: they go into a bounded queue, from which a Python thread
//! takes them. If the queue is full, lines are lost, and the next line says how many.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{ParseError, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

/// The number of lines that may wait for Python.
const LINES: usize = 8192;

/// The time limit for writing the last lines to standard error.
const SPILL: Duration = Duration::from_millis(200);

/// The target of the lines about commands, which are written whatever the filter is.
const COMMANDS: &str = "euryale_admin::console";

static QUEUE: OnceLock<Queue> = OnceLock::new();

static FILTER: OnceLock<Filter> = OnceLock::new();

/// Whether a command has set the filter, so that it counts before the levels of Python's loggers.
static IS_COMMANDED: AtomicBool = AtomicBool::new(false);

/// A line: its level as one of `logging`'s numbers, its logger, its text, and whether it is written
/// whatever the level of its logger is.
pub(crate) type Line = (u8, &'static str, String, bool);

struct Filter {
    first: Targets,
    handle: reload::Handle<Targets, Registry>,
}

struct Queue {
    sender: Sender<Line>,
    receiver: Receiver<Line>,
    lost: AtomicUsize,
}

fn queue() -> &'static Queue {
    QUEUE.get_or_init(|| {
        let (sender, receiver) = crossbeam_channel::bounded(LINES);
        Queue {
            sender,
            receiver,
            lost: AtomicUsize::new(0),
        }
    })
}

/// Starts to queue events of this level of `logging` and above. A process has one log, so a second
/// server keeps the level of the first.
pub(crate) fn start(level: u8) {
    let filter = match level {
        0..=5 => LevelFilter::TRACE,
        6..=10 => LevelFilter::DEBUG,
        11..=20 => LevelFilter::INFO,
        21..=30 => LevelFilter::WARN,
        _ => LevelFilter::ERROR,
    };
    let first = with_commands(Targets::new().with_default(filter));
    let (filter, handle) = reload::Layer::new(first.clone());
    let subscriber = tracing_subscriber::registry().with(ToPython.with_filter(filter));
    // If there is a subscriber already, it was set by the process's first server and does the same.
    if subscriber.try_init().is_ok() {
        let _ = FILTER.set(Filter { first, handle });
    }
}

fn with_commands(filter: Targets) -> Targets {
    filter.with_target(COMMANDS, LevelFilter::INFO)
}

/// Sets the filter to `text`, such as `info` or `warn,euryale_server=debug`.
///
/// # Errors
/// The text is not a filter.
pub(crate) fn filter(text: &str) -> Result<(), ParseError> {
    let filter = with_commands(text.parse()?);
    IS_COMMANDED.store(true, Ordering::Relaxed);
    set(filter);
    Ok(())
}

/// Sets the filter that the log had at the start.
pub(crate) fn restore_filter() {
    if IS_COMMANDED.swap(false, Ordering::Relaxed)
        && let Some(Filter { first, .. }) = FILTER.get()
    {
        set(first.clone());
    }
}

fn set(filter: Targets) {
    if let Some(Filter { handle, .. }) = FILTER.get() {
        // It fails when there is no subscriber any more.
        let _ = handle.reload(filter);
    }
}

/// Adds a line.
pub(crate) fn say(level: u8, logger: &'static str, text: String) {
    add((level, logger, text, false));
}

fn add(line: Line) {
    let queue = queue();
    let lost = queue.lost.swap(0, Ordering::Relaxed);
    if lost > 0 {
        let text = format!("{lost} lines of the log were lost: its handlers are too slow");
        if queue.sender.try_send((30, "euryale", text, false)).is_err() {
            queue.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
    if let Err(TrySendError::Full(_)) = queue.sender.try_send(line) {
        queue.lost.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits for the next line. Returns `None` when `stop` is closed and no line is left.
pub(crate) fn next(stop: &Receiver<()>) -> Option<Line> {
    let lines = &queue().receiver;
    crossbeam_channel::select_biased! {
        recv(lines) -> line => line.ok(),
        recv(stop) -> _ => lines.try_recv().ok(),
    }
}

/// Writes the lines that Python has not taken to standard error, when a process ends whose
/// interpreter is stuck. Does not wait for a write that blocks.
pub(crate) fn spill() {
    let lines = queue().receiver.try_iter();
    let written = write(lines.map(|(_, logger, text, _)| format!("{logger}: {text}\n")));
    let _ = written.recv_timeout(SPILL);
}

/// Writes the last line of a process to standard error, at most as long as [`spill`]. Python's
/// thread could have taken it from the log, and not written it, when the process ends.
pub(crate) fn say_last(text: &str) {
    let written = write(std::iter::once(format!("euryale: {text}\n")));
    let _ = written.recv_timeout(SPILL);
}

/// Writes a line to standard error, because the interpreter is stuck and may stay so. Does not wait
/// for it.
pub(crate) fn say_at_once(text: &str) {
    drop(write(std::iter::once(format!("euryale: {text}\n"))));
}

/// Writes to standard error, on a thread of its own. The receiver learns when that has ended.
fn write(lines: impl Iterator<Item = String> + Send + 'static) -> Receiver<()> {
    let (done, ended) = crossbeam_channel::bounded(0);
    std::thread::spawn(move || {
        let mut out = std::io::stderr().lock();
        for line in lines {
            // There is nowhere left to report a failure.
            let _ = out.write_all(line.as_bytes());
        }
        drop::<Sender<()>>(done);
    });
    ended
}

struct ToPython;

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for ToPython {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            Level::DEBUG => 10,
            Level::TRACE => 5,
        };
        let mut text = Text::default();
        event.record(&mut text);
        let is_asked =
            event.metadata().target() == COMMANDS || IS_COMMANDED.load(Ordering::Relaxed);
        add((level, "euryale", text.finish(), is_asked));
    }
}

/// The message, followed by the fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(mut self) -> String {
        if !self.message.is_empty() && !self.fields.is_empty() {
            self.message.push(' ');
        }
        self.message + &self.fields
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            let space = if self.fields.is_empty() { "" } else { " " };
            write!(self.fields, "{space}{}={value:?}", field.name())
        };
    }
}
