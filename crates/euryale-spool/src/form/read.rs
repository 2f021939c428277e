//! Recognises forms and reads them.

use std::sync::Arc;

use euryale_core::body::SpooledBody;
use euryale_core::{BoxError, Error};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use http_body::Body;

use super::{Form, FormLimits, multipart, urlencoded};
use crate::MALFORMED;
use crate::read::{Source, whole};
use crate::settings::Settings;

/// The encoding of a form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// `application/x-www-form-urlencoded` (WHATWG URL §5).
    Urlencoded,
    /// `multipart/form-data` (RFC 7578), with this boundary.
    Multipart(String),
}

impl Encoding {
    /// Returns the encoding of a form, or `None` if the body is not a form.
    ///
    /// # Errors
    /// `MALFORMED` for a multipart form without a boundary.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let content_type = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("");
        let essence = content_type.split(';').next().unwrap_or("").trim();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Ok(Some(Self::Urlencoded));
        }
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            return Ok(None);
        }
        let boundary = multer::parse_boundary(content_type)
            .map_err(|error| Error::with_source(MALFORMED, error))?;
        // RFC 2046 §5.1.1 limits the length.
        if boundary.is_empty() || boundary.len() > 70 {
            let error = "the boundary of a multipart form has 1 to 70 characters";
            return Err(Error::with_source(MALFORMED, error));
        }
        Ok(Some(Self::Multipart(boundary)))
    }
}

/// Returns the form and the remaining body.
pub(crate) async fn read<B>(
    encoding: Encoding,
    mut limits: FormLimits,
    mut source: Source<B>,
    settings: Arc<Settings>,
) -> Result<(Form, SpooledBody), Error>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    // A text that is larger than the whole budget is always too large, so a retry would not help.
    limits.text = limits.text.min(settings.budget.longest_text());
    match encoding {
        Encoding::Multipart(boundary) => {
            let form = multipart::read(boundary, limits, source, settings).await?;
            Ok((form, SpooledBody::empty()))
        }
        Encoding::Urlencoded => {
            // Most of the body may be percent-encoding and names.
            source.shorten(4 * limits.text as u64);
            let body = whole(source, Arc::clone(&settings)).await?;
            let read = body.clone();
            let lane = body.as_file().map(|_| settings.lane.clone());
            let parse = move || urlencoded::parse(read, limits, &settings);
            let form = match lane {
                Some(lane) => lane.run(parse).await??,
                None => parse()?,
            };
            Ok((form, body))
        }
    }
}
