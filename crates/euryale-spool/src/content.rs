//! The content of a request's body: bytes, or a form.

use std::sync::Arc;

use euryale_core::body::SpooledBody;
use euryale_core::{BoxError, Error};
use http::request::Parts;
use http_body::Body;

#[cfg(feature = "forms")]
use crate::form::{self, Encoding, Form, FormLimits};
use crate::read::{self, Source};
use crate::settings::Settings;

pub(crate) enum Content {
    Bytes,
    #[cfg(feature = "forms")]
    Form(Encoding, FormLimits),
}

impl Content {
    #[cfg(feature = "forms")]
    pub(crate) fn of(parts: &Parts, settings: &Settings) -> Result<Self, Error> {
        let Some(limits) = settings.forms else {
            return Ok(Self::Bytes);
        };
        let encoding = Encoding::of(&parts.headers)?;
        Ok(encoding.map_or(Self::Bytes, |encoding| Self::Form(encoding, limits)))
    }

    #[cfg(not(feature = "forms"))]
    pub(crate) fn of(_parts: &Parts, _settings: &Settings) -> Result<Self, Error> {
        Ok(Self::Bytes)
    }

    /// Handles an empty body. As a form it has no fields.
    #[cfg_attr(
        not(feature = "forms"),
        expect(unused_variables, reason = "bytes leave nothing there")
    )]
    pub(crate) fn empty(&self, parts: &mut Parts) -> SpooledBody {
        match self {
            Self::Bytes => {}
            #[cfg(feature = "forms")]
            Self::Form(Encoding::Multipart(_), _) => {}
            #[cfg(feature = "forms")]
            Self::Form(Encoding::Urlencoded, _) => drop(parts.extensions.insert(Form::default())),
        }
        SpooledBody::empty()
    }

    /// Reads a body.
    #[cfg_attr(
        not(feature = "forms"),
        expect(unused_variables, reason = "bytes leave nothing there")
    )]
    pub(crate) async fn read<B>(
        self,
        source: Source<B>,
        parts: &mut Parts,
        settings: Arc<Settings>,
    ) -> Result<SpooledBody, Error>
    where
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        match self {
            Self::Bytes => read::whole(source, settings).await,
            #[cfg(feature = "forms")]
            Self::Form(encoding, limits) => {
                let (form, body) = form::read(encoding, limits, source, settings).await?;
                parts.extensions.insert(form);
                Ok(body)
            }
        }
    }
}
