//! One parse of a page, for the handlers of all consecutive rewrites.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use encoding_rs::Encoding;
use euryale_core::BoxError;
use euryale_core::error::PanicMessage;
use lol_html::errors::RewritingError;
use lol_html::send::{HtmlRewriter, Settings};
use lol_html::{AsciiCompatibleEncoding, MemorySettings, OutputSink};

use crate::Handlers;
use crate::text::{IsText, Reader};
use crate::watch::{CriticalFailed, Watch};

/// The parser's limit of memory for one page, in bytes. It applies to an endless tag and to the
/// nesting of elements.
const MEMORY: usize = 1 << 20;

/// A page that is being rewritten.
pub(crate) struct Parse {
    // `None` if the rest is passed on unchanged.
    rewriter: Option<Box<HtmlRewriter<'static, Sink>>>,
    // Decodes the page for handlers of text.
    reader: Option<Reader>,
    written: Sink,
    watches: Vec<Arc<Watch>>,
    broken: Option<BoxError>,
    ended: bool,
    busy: Duration,
}

impl Parse {
    /// Begins a parse. If `is_declared` is false, the page itself may declare its charset. Returns
    /// `None` if HTML cannot be parsed in this charset.
    pub(crate) fn new(
        charset: &'static Encoding,
        is_declared: bool,
        handlers: Vec<Handlers>,
        is_text: IsText,
    ) -> Option<Self> {
        let reads_text = handlers.iter().any(Handlers::reads_text);
        let reader = reads_text.then(|| Reader::new(charset, is_text));
        let charset = AsciiCompatibleEncoding::new(charset)?;
        let memory = MemorySettings::new()
            .with_max_allowed_memory_usage(MEMORY)
            .with_graceful_bail_out_on_memory_limit_exceeded(true);
        let settings = Settings::new_send()
            .with_memory_settings(memory)
            .with_graceful_bail_out_on_content_handler_error(true)
            .with_strict(false)
            .with_adjust_charset_on_meta_tag(!is_declared)
            .with_encoding(charset);
        let watches = handlers.iter().map(Handlers::watch).collect();
        let settings = handlers
            .into_iter()
            .fold(settings, |settings, handlers| handlers.add_to(settings));
        let written = Sink::default();
        let rewriter = Some(Box::new(HtmlRewriter::new(settings, written.clone())));
        Some(Self {
            rewriter,
            reader,
            written,
            watches,
            broken: None,
            ended: false,
            busy: Duration::ZERO,
        })
    }

    /// Rewrites the next piece, or the end.
    pub(crate) fn feed(&mut self, piece: Option<&[u8]>) {
        let began = Instant::now();
        if piece.is_none() {
            self.ended = true;
        }
        let Some(mut rewriter) = self.rewriter.take() else {
            self.written.push(piece.unwrap_or_default());
            return;
        };
        if let Some(reader) = &mut self.reader {
            reader.read(piece.unwrap_or_default(), piece.is_none());
        }
        let fed = PanicMessage::catch(|| match piece {
            Some(piece) => rewriter.write(piece).map(|()| Some(rewriter)),
            None => rewriter.end().map(|()| None),
        });
        self.busy += began.elapsed();
        match fed {
            Ok(Ok(rewriter)) => self.rewriter = rewriter,
            // All input so far has been written, the last part unchanged. The rest is also written
            // unchanged.
            Ok(Err(error)) => self.fail(error),
            // It is unknown which part of the input has been written.
            Err(panic) => {
                self.all_fail(&panic);
                self.broken = Some(panic.into());
            }
        }
    }

    fn fail(&mut self, error: RewritingError) {
        let error: BoxError = match error {
            RewritingError::ContentHandlerError(error) => error,
            other => other.into(),
        };
        if error.is::<CriticalFailed>() {
            self.broken = Some(error);
        } else {
            self.give_up(error);
        }
    }

    /// Ends all transforms of the pass. If one of them is critical, the page ends here.
    pub(crate) fn give_up(&mut self, error: BoxError) {
        self.all_fail(&*error);
        if self.watches.iter().any(|watch| watch.is_critical()) {
            self.broken = Some(error);
        }
    }

    fn all_fail(&self, error: &(dyn std::error::Error + 'static)) {
        for watch in &self.watches {
            watch.fail(error);
        }
    }

    /// Returns the output since the last call.
    pub(crate) fn take_written(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut *self.written.lock()))
    }

    /// Returns the reason why nothing more may be sent, if there is one.
    pub(crate) fn take_broken(&mut self) -> Option<BoxError> {
        self.broken.take()
    }

    pub(crate) fn watches(&self) -> &[Arc<Watch>] {
        &self.watches
    }

    /// Returns whether no handler is called any more.
    pub(crate) fn does_nothing(&self) -> bool {
        self.is_idle() || self.watches.iter().all(|watch| watch.has_failed())
    }

    /// Returns whether the rest is passed on unchanged.
    pub(crate) fn is_idle(&self) -> bool {
        self.rewriter.is_none()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Returns how long the pass has run.
    pub(crate) fn busy(&self) -> Duration {
        self.busy
    }
}

impl fmt::Debug for Parse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parse")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// The output of lol_html.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, bytes: &[u8]) {
        self.lock().extend_from_slice(bytes);
    }
}

impl OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.push(chunk);
    }
}
