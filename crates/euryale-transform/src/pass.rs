//! One parse of a page, for all the handlers of the rewrites that follow each other.

use encoding_rs::Encoding;
use euryale_core::BoxError;
use lol_html::AsciiCompatibleEncoding;
use lol_html::send::{HtmlRewriter, Settings};

use crate::Handlers;

pub(crate) fn rewrite(
    page: &[u8],
    charset: &'static Encoding,
    handlers: Vec<Handlers>,
) -> Result<Vec<u8>, BoxError> {
    let charset = AsciiCompatibleEncoding::new(charset).ok_or("not a charset of HTML")?;
    let settings = Settings::new_send().with_strict(false).with_encoding(charset);
    let settings = handlers.into_iter().fold(settings, |settings, handlers| handlers.add_to(settings));
    let mut out = Vec::with_capacity(page.len());
    let mut rewriter = HtmlRewriter::new(settings, |chunk: &[u8]| out.extend_from_slice(chunk));
    rewriter.write(page)?;
    rewriter.end()?;
    Ok(out)
}
