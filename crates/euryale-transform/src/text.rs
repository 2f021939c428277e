//! Checks whether pages are text.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use encoding_rs::{Decoder, DecoderResult, Encoding};
use euryale_subrequest::text::declared;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

/// Declares in the head that the page is now UTF-8. The head takes precedence over the document.
pub(crate) fn declare_utf8(headers: &mut HeaderMap) {
    let Some(value) = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
    else {
        return;
    };
    let value = match declared(headers) {
        Some(declared) if declared.eq_ignore_ascii_case("utf-8") => return,
        Some(declared) => value.replace(declared, "utf-8"),
        None => format!("{value}; charset=utf-8"),
    };
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(CONTENT_TYPE, value);
    }
}

/// Whether all of the page so far is valid text. lol_html encodes a text again after a handler has
/// seen it, with U+FFFD for bytes that it cannot decode. If a handler checks this first and fails,
/// the page is passed on unchanged.
#[derive(Clone, Debug, Default)]
pub(crate) struct IsText {
    is_bad: Arc<AtomicBool>,
}

impl IsText {
    pub(crate) fn check(&self) -> Result<(), NoText> {
        if self.is_bad.load(Relaxed) {
            Err(NoText)
        } else {
            Ok(())
        }
    }
}

/// Decodes a page in parallel to the parser, for [`IsText`].
pub(crate) struct Reader {
    decoder: Decoder,
    is_text: IsText,
    scratch: Box<[u8]>,
}

impl Reader {
    pub(crate) fn new(charset: &'static Encoding, is_text: IsText) -> Self {
        let decoder = charset.new_decoder_without_bom_handling();
        Self {
            decoder,
            is_text,
            scratch: vec![0; 4 << 10].into(),
        }
    }

    pub(crate) fn read(&mut self, mut piece: &[u8], is_last: bool) {
        while self.is_text.check().is_ok() {
            let (result, read, _) =
                self.decoder
                    .decode_to_utf8_without_replacement(piece, &mut self.scratch, is_last);
            piece = &piece[read..];
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.is_text.is_bad.store(true, Relaxed),
            }
        }
    }
}

/// The page is not valid in its charset.
#[derive(Debug)]
pub(crate) struct NoText;

impl fmt::Display for NoText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the page is no text in the charset that it declares")
    }
}

impl std::error::Error for NoText {}
