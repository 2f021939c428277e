//! Reads a body to its end.

use std::future::poll_fn;
use std::pin::pin;

use bytes::{Buf, Bytes, BytesMut};
use euryale_core::{BoxError, Error, ErrorKind, SpooledBody};
use http_body::Body;

use crate::layer::Settings;

/// The whole of `body`, counted while it is kept.
pub(crate) async fn whole<B>(body: B, settings: Settings) -> Result<SpooledBody, Error>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    loop {
        let frame = tokio::time::timeout(settings.stall, poll_fn(|cx| body.as_mut().poll_frame(cx)))
            .await
            .map_err(|_| Error::new(ErrorKind::BodyStalled))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| Error::with_source(ErrorKind::Malformed, error))?;
        // Trailers of a request say nothing to a publisher.
        let Ok(mut data) = frame.into_data() else { continue };
        if (first.len() + all.len() + data.remaining()) as u64 > settings.limit {
            return Err(Error::new(ErrorKind::BodyTooLarge));
        }
        if first.is_empty() && all.is_empty() {
            // Most bodies are one frame: no copy for them.
            first = data.copy_to_bytes(data.remaining());
        } else {
            all.extend_from_slice(&std::mem::take(&mut first));
            all.reserve(data.remaining());
            while data.has_remaining() {
                let chunk = data.chunk();
                let read = chunk.len();
                all.extend_from_slice(chunk);
                data.advance(read);
            }
        }
    }
    let bytes = if all.is_empty() { first } else { all.freeze() };
    Ok(SpooledBody::from(bytes).counted(&settings.ledger))
}
