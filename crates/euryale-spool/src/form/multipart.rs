//! Parses `multipart/form-data` (RFC 7578) while it arrives. Each file is spooled separately, like
//! a body.
//!
//! multer parses the parts. It reads all available data before it parses, and has no limit for the
//! bytes between two parts. So it gets one piece at a time, and only when it cannot continue
//! without it.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use euryale_core::{BoxError, Error};
use futures_core::Stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http_body::Body;
use multer::Multipart;

use super::fields::Fields;
use super::limits::{FIELDS, FILE, FILES, HEAD, TEXT, malformed, too_large};
use super::{Form, FormLimits, Upload};
use crate::MALFORMED;
use crate::keep::Keeper;
use crate::read::Source;
use crate::settings::Settings;

/// The maximum size of a piece for multer, in bytes.
const PIECE: usize = 16 << 10;

/// The maximum number of bytes that multer gets without a result: for the head of a part, or before
/// the first part.
const LONGEST_HEAD: usize = 32 << 10;

pub(crate) async fn read<B>(
    boundary: String,
    limits: FormLimits,
    source: Source<B>,
    settings: Arc<Settings>,
) -> Result<Form, Error>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    let feed = Feed::new(source);
    let mut parts = Parts {
        multipart: Multipart::new(feed.clone(), boundary),
        feed: feed.clone(),
    };
    let mut room = Room {
        fields: Left::of(limits.fields, FIELDS),
        files: Left::of(limits.files, FILES),
        text: Left::of(limits.text, TEXT),
        memory: settings.memory,
    };
    let mut fields = Fields::new(&settings, limits);
    while let Some(part) = parts.next().await? {
        field(part, &feed, &mut room, limits.file, &settings, &mut fields).await?;
    }
    drop(parts);
    // Bytes after the last part have no meaning, but they have to be read.
    feed.drain().await?;
    Ok(fields.into_form())
}

/// The number of bytes that may still arrive.
struct Room {
    fields: Left,
    files: Left,
    text: Left,
    memory: usize,
}

struct Left {
    left: usize,
    limit: usize,
    what: &'static str,
}

impl Left {
    fn of(limit: usize, what: &'static str) -> Self {
        Self {
            left: limit,
            limit,
            what,
        }
    }

    fn take(&mut self, wanted: usize) -> Result<(), Error> {
        self.left = self
            .left
            .checked_sub(wanted)
            .ok_or_else(|| too_large(self.what, self.limit))?;
        Ok(())
    }
}

/// Adds a field to the form, except for an empty file input.
async fn field<B>(
    mut part: multer::Field<'static>,
    feed: &Feed<B>,
    room: &mut Room,
    longest_file: u64,
    settings: &Arc<Settings>,
    fields: &mut Fields,
) -> Result<(), Error>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    room.fields.take(1)?;
    let name = part
        .name()
        .ok_or_else(|| malformed("A part of the form has no name."))?
        .to_owned();
    room.text.take(name.len())?;
    fields.charge(name.len())?;
    let Some(file_name) = part.file_name().map(str::to_owned) else {
        if let Some(why) = unreadable_file_name(&part) {
            return Err(malformed(why));
        }
        let mut text = fields.text();
        let most = room.text.left;
        while let Some(data) = feed.data(&mut part).await? {
            room.text.take(data.len())?;
            fields.extend(&mut text, &data, most)?;
        }
        let text = fields.end(text)?;
        return fields.push_text(name, text);
    };
    room.files.take(1)?;
    let content_type = part.headers().get(CONTENT_TYPE).cloned();
    let mut keeper = Keeper::new(Arc::clone(settings), room.memory, usize::MAX);
    let mut len = 0;
    while let Some(data) = feed.data(&mut part).await? {
        len += data.len() as u64;
        if len > longest_file {
            return Err(too_large(FILE, longest_file));
        }
        keeper.take(data).await?;
    }
    let body = keeper.finish().await?;
    room.memory -= body.as_bytes().map_or(0, <[u8]>::len).min(room.memory);
    let is_chosen = !(file_name.is_empty() && body.is_empty());
    if is_chosen {
        fields.push_file(name, Upload::new(file_name, content_type, body))?;
    }
    Ok(())
}

/// Returns an error message if `part` is a file whose name multer cannot read. It must not be
/// mistaken for a text.
fn unreadable_file_name(part: &multer::Field<'_>) -> Option<&'static str> {
    let disposition = part.headers().get(CONTENT_DISPOSITION)?;
    let has = |wanted: &[u8]| {
        parameters(disposition.as_bytes()).any(|name| name.eq_ignore_ascii_case(wanted))
    };
    if has(b"filename*") {
        // RFC 7578 §4.2 forbids `filename*`.
        return Some(
            "Forms must not use filename* for a file: send its name as filename, in UTF-8.",
        );
    }
    has(b"filename").then_some(
        "The name of a file in the form cannot be read: send it as filename=\"…\", in UTF-8.",
    )
}

/// Returns the names of the parameters of a header field (RFC 9110 §5.6.6), ignoring quoted text.
fn parameters(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let parts = field.split(move |&byte| {
        let was_escaped = std::mem::replace(&mut is_escaped, is_quoted && byte == b'\\');
        if byte == b'"' && !(is_quoted && was_escaped) {
            is_quoted = !is_quoted;
        }
        byte == b';' && !is_quoted
    });
    parts.filter_map(|part| {
        let equals = part.iter().position(|byte| *byte == b'=')?;
        Some(part[..equals].trim_ascii())
    })
}

/// Yields the parts one after the other.
struct Parts<B> {
    multipart: Multipart<'static>,
    feed: Feed<B>,
}

impl<B> Parts<B>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    async fn next(&mut self) -> Result<Option<multer::Field<'static>>, Error> {
        let Self { multipart, feed } = self;
        feed.until_ready(|cx| multipart.poll_next_field(cx)).await
    }
}

/// The source that multer reads from, and the handle that feeds it.
struct Feed<B>(Arc<Mutex<Tap<B>>>);

struct Tap<B> {
    source: Asking<B>,
    piece: Bytes,
    is_open: bool,
    /// The bytes that multer got without a result.
    idle: usize,
    failed: Option<Error>,
}

type Asked<B> = Pin<Box<dyn Future<Output = (Source<B>, Result<Option<Bytes>, Error>)> + Send>>;

/// The state of a source: idle between polls, or being polled.
enum Asking<B> {
    Asked(Asked<B>),
    Between(Source<B>),
    Ended,
}

impl<B> Feed<B>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn new(source: Source<B>) -> Self {
        let source = Asking::Between(source);
        Self(Arc::new(Mutex::new(Tap {
            source,
            piece: Bytes::new(),
            is_open: false,
            idle: 0,
            failed: None,
        })))
    }

    async fn data(&self, part: &mut multer::Field<'static>) -> Result<Option<Bytes>, Error> {
        self.until_ready(|cx| Pin::new(&mut *part).poll_next(cx).map(Option::transpose))
            .await
    }

    /// Polls multer, and feeds it piece by piece until it has a result.
    async fn until_ready<T>(
        &self,
        mut ask: impl FnMut(&mut Context<'_>) -> Poll<multer::Result<T>>,
    ) -> Result<T, Error> {
        let answer = poll_fn(|cx| {
            loop {
                if let Poll::Ready(answer) = ask(cx) {
                    return Poll::Ready(answer);
                }
                let mut tap = self.tap();
                if !std::mem::replace(&mut tap.is_open, true) {
                    continue;
                }
                // The tap is open and nothing arrived. The source will wake this task, unless it
                // has ended.
                return match tap.source {
                    Asking::Ended => Poll::Ready(Err(multer::Error::IncompleteStream)),
                    Asking::Asked(_) | Asking::Between(_) => Poll::Pending,
                };
            }
        });
        let answer = answer.await;
        let mut tap = self.tap();
        (tap.is_open, tap.idle) = (false, 0);
        answer.map_err(|error| {
            tap.failed
                .take()
                .unwrap_or_else(|| Error::with_source(MALFORMED, error))
        })
    }

    /// Reads and discards the rest.
    async fn drain(&self) -> Result<(), Error> {
        while poll_fn(|cx| self.tap().poll_source(cx)).await?.is_some() {}
        Ok(())
    }

    fn tap(&self) -> MutexGuard<'_, Tap<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Tap<B>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        if self.piece.is_empty() {
            let Some(data) = ready!(self.poll_source(cx))? else {
                return Poll::Ready(Ok(None));
            };
            self.piece = data;
        }
        let piece = self.piece.split_to(self.piece.len().min(PIECE));
        self.idle += piece.len();
        if self.idle > LONGEST_HEAD {
            return Poll::Ready(Err(too_large(HEAD, LONGEST_HEAD)));
        }
        Poll::Ready(Ok(Some(piece)))
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let mut asked = match std::mem::replace(&mut self.source, Asking::Ended) {
            Asking::Ended => return Poll::Ready(Ok(None)),
            Asking::Asked(asked) => asked,
            Asking::Between(mut source) => Box::pin(async move {
                let data = source.next().await;
                (source, data)
            }),
        };
        let Poll::Ready((source, data)) = asked.as_mut().poll(cx) else {
            self.source = Asking::Asked(asked);
            return Poll::Pending;
        };
        if let Ok(Some(_)) = data {
            self.source = Asking::Between(source);
        }
        Poll::Ready(data)
    }
}

impl<B> Clone for Feed<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> Stream for Feed<B>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Item = Result<Bytes, &'static str>;

    /// Yields one piece if the tap is open, and closes the tap.
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut tap = self.tap();
        if !tap.is_open {
            return Poll::Pending;
        }
        let piece = ready!(tap.poll_piece(cx));
        tap.is_open = false;
        Poll::Ready(match piece {
            Ok(piece) => piece.map(Ok),
            Err(error) => {
                tap.failed = Some(error);
                Some(Err("the body of the request ended in an error"))
            }
        })
    }
}
