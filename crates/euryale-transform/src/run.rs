//! Runs one response through the chain.

use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use euryale_core::error::ELAPSED;
use euryale_core::ledger::GaugeGuard;
use euryale_core::{Body, BoxError, Error, Response};
use euryale_subrequest::text as html;
use http::header::{ETAG, IF_NONE_MATCH, LAST_MODIFIED};
use http::response::Parts;
use http::{HeaderValue, Method, StatusCode};
use http_body::Body as _;

use crate::chain::{Chain, Plan, Step};
use crate::parse::Parse;
use crate::replay::{Collected, Replay, collect};
use crate::rewriting::Rewriting;
use crate::transform::{Kind, Transformed, Whole};
use crate::watch::{CriticalFailed, Watch};
use crate::{Handlers, Page, framing, tag, text};

/// The number of bytes of a rewritten page that may be made before its head is sent; a page that
/// ends earlier has a length.
const AHEAD: usize = 64 << 10;

pub(crate) struct Run {
    chain: Arc<Chain>,
    page: Page,
    running: Arc<GaugeGuard>,
}

impl Run {
    pub(crate) fn new(chain: Arc<Chain>, page: Page, running: GaugeGuard) -> Self {
        Self {
            chain,
            page,
            running: Arc::new(running),
        }
    }

    pub(crate) async fn through(self, plan: Plan, response: Response) -> Response {
        let response = if plan.is_broken {
            Err(CriticalFailed)
        } else {
            self.steps(&plan, response).await
        };
        response.unwrap_or_else(|CriticalFailed| self.chain.failed(&self.page))
    }

    async fn steps(&self, plan: &Plan, response: Response) -> Result<Response, CriticalFailed> {
        let tag = response.headers().get(ETAG).cloned();
        let response = if plan.bodies == 0 {
            self.chain.judged(&self.page, response)
        } else if let Some(tag) = self.known_tag(plan, &response) {
            framing::transformed_not_modified(response.into_parts().0, tag)
        } else if self.page.request().method == Method::HEAD {
            // The new length is unknown; the header has that of the original page.
            let (mut head, _) = response.into_parts();
            framing::transformed(&mut head.headers, self.chain.tag(plan.bodies, tag.as_ref()));
            Response::from_parts(head, Body::writer(|_| Ok(())).head_only())
        } else {
            let before = self.chain.tag(plan.bodies, tag.as_ref());
            let mut response = self.body(plan, tag.clone(), response).await?;
            // A transform's version has changed, and it is unknown which version transformed the
            // page.
            if self.chain.tag(plan.bodies, tag.as_ref()) != before {
                response.headers_mut().remove(ETAG);
            }
            response
        };
        let (mut head, body) = response.into_parts();
        for &at in &plan.steps {
            self.edit_head(self.chain.step(at), &mut head)?;
        }
        Ok(Response::from_parts(head, body))
    }

    /// Returns the tag that the page will have, if the client already has that page.
    fn known_tag(&self, plan: &Plan, response: &Response) -> Option<HeaderValue> {
        let request = self.page.request();
        let is_asked =
            request.headers.contains_key(IF_NONE_MATCH) && response.status() == StatusCode::OK;
        let asks = is_asked && matches!(request.method, Method::GET | Method::HEAD);
        let tag = response.headers().get(ETAG).filter(|_| asks)?;
        self.chain
            .tag(plan.bodies, Some(tag))
            .filter(|tag| tag::is_known(&request.headers, tag))
    }

    async fn body(
        &self,
        plan: &Plan,
        tag: Option<HeaderValue>,
        response: Response,
    ) -> Result<Response, CriticalFailed> {
        let (head, body) = response.into_parts();
        let mut state = Progress {
            tag,
            head,
            body,
            done: 0,
        };
        let mut rewrites = Vec::new();
        for &at in &plan.steps {
            let step = self.chain.step(at);
            match &step.kind {
                Kind::Rewrite(_) => rewrites.push(at),
                Kind::Whole(transform) => {
                    self.rewrite(&mem::take(&mut rewrites), &mut state).await?;
                    self.whole(at, &**transform, &mut state).await?;
                }
                // Heads are edited last, when the outcome for the body is known.
                Kind::Head(_) => {}
            }
        }
        self.rewrite(&rewrites, &mut state).await?;
        Ok(Response::from_parts(state.head, state.body))
    }

    fn edit_head(&self, step: &Step, head: &mut Parts) -> Result<(), CriticalFailed> {
        let Kind::Head(transform) = &step.kind else {
            return Ok(());
        };
        let watch = step.watch();
        let mut edited = head.clone();
        match watch.time(|| transform.edit_head(&self.page, &mut edited)) {
            Ok(()) => *head = edited,
            Err(error) => watch.failed(&*error)?,
        }
        Ok(())
    }

    /// Adapts the head to a page that one more transform has changed.
    fn reframe(&self, at: impl IntoIterator<Item = usize>, state: &mut Progress) {
        for at in at {
            state.done |= Chain::place(at);
        }
        framing::transformed(
            &mut state.head.headers,
            self.chain.tag(state.done, state.tag.as_ref()),
        );
    }

    async fn whole(
        &self,
        at: usize,
        transform: &dyn Whole,
        state: &mut Progress,
    ) -> Result<(), CriticalFailed> {
        let step = self.chain.step(at);
        let watch = step.watch();
        let read = match collect(mem::take(&mut state.body), self.chain.settings.body_limit).await {
            Collected::All(read) => read,
            Collected::TooLarge(body) => {
                state.body = body;
                state.untag();
                return watch.failed(&TooLarge(self.chain.settings.body_limit));
            }
            Collected::Failed(read, error) => {
                // The page also breaks off for the client, but no part of it is sent without this
                // transform.
                let failed = if step.is_critical() {
                    watch.failed(&*error)
                } else {
                    Ok(())
                };
                state.body = Replay::failed(read, error);
                return failed;
            }
        };
        let charset = html::charset(&state.head.headers);
        let Some(page) = charset.and_then(|charset| html::decode(&read, charset)) else {
            state.body = Replay::body(read, Body::empty());
            state.untag();
            return watch.failed(&text::NoText);
        };
        let response = http::Response::from_parts(state.head.clone(), page);
        match self.wait(&watch, transform, response).await {
            Ok(response) => {
                (state.head, state.body) = response.into_parts();
                text::declare_utf8(&mut state.head.headers);
                self.reframe([at], state);
                Ok(())
            }
            Err(error) => {
                state.body = Replay::body(read, Body::empty());
                state.untag();
                watch.failed(&*error)
            }
        }
    }

    /// Waits for a whole page, in the transform's span, up to a limit.
    async fn wait(
        &self,
        watch: &Watch,
        transform: &dyn Whole,
        response: http::Response<String>,
    ) -> Result<Response, BoxError> {
        let mut transformed: Transformed<'_> =
            watch.run(|| Ok(transform.start(&self.page, response)))?;
        let mut deadline = pin!(tokio::time::sleep(self.chain.settings.deadline));
        let began = tokio::time::Instant::now();
        let done = poll_fn(|cx| {
            let polled = watch.run(|| Ok(transformed.as_mut().poll(cx)));
            match polled {
                Ok(Poll::Ready(done)) => return Poll::Ready(done),
                Err(panic) => return Poll::Ready(Err(panic)),
                Ok(Poll::Pending) => {}
            }
            deadline
                .as_mut()
                .poll(cx)
                .map(|()| Err(Error::new(ELAPSED).into()))
        });
        let done = done.await;
        watch.took(began.elapsed());
        done
    }

    async fn rewrite(&self, steps: &[usize], state: &mut Progress) -> Result<(), CriticalFailed> {
        let is_text = text::IsText::default();
        let mut handlers = Vec::new();
        let mut working = Vec::new();
        for &at in steps {
            let step = self.chain.step(at);
            let Kind::Rewrite(transform) = &step.kind else {
                continue;
            };
            let watch = Arc::new(step.watch());
            let mut own = Handlers::new(Arc::clone(&watch), is_text.clone());
            match watch.time(|| transform.rewrite(&self.page, &mut own)) {
                // The page is unchanged, but gets the tag of a transformed page, because HEAD sends
                // that tag without running the transform.
                Ok(()) if own.is_empty() => self.reframe([at], state),
                Ok(()) => {
                    handlers.push(own);
                    working.push((at, watch));
                }
                Err(error) => {
                    state.untag();
                    watch.failed(&*error)?;
                }
            }
        }
        if handlers.is_empty() {
            return Ok(());
        }
        let charset = html::charset(&state.head.headers);
        let is_declared = html::declared(&state.head.headers).is_some();
        let Some(parse) =
            charset.and_then(|charset| Parse::new(charset, is_declared, handlers, is_text))
        else {
            state.untag();
            return working
                .iter()
                .try_for_each(|(_, watch)| watch.failed(&text::NoText));
        };
        let is_critical = working.iter().any(|(_, watch)| watch.is_critical());
        self.chain.settings.book.parsed.add(1);
        let source = mem::take(&mut state.body);
        let rewriting = Rewriting::new(
            source,
            parse,
            self.chain.rewriting(),
            Arc::clone(&self.running),
        );
        let (body, is_rewritten) = begin(rewriting, is_critical).await?;
        state.body = body;
        if is_rewritten {
            self.reframe(working.iter().map(|(at, _)| *at), state);
        }
        if working.iter().any(|(_, watch)| watch.has_failed()) {
            state.untag();
        }
        Ok(())
    }
}

/// The progress of a response.
struct Progress {
    head: Parts,
    body: Body,
    /// The tag of the original response.
    tag: Option<HeaderValue>,
    /// The places of the transforms that have changed the page.
    done: u64,
}

impl Progress {
    /// Removes the tag after a failure, so that clients do not get a 304 when the transform works
    /// again.
    fn untag(&mut self) {
        self.tag = None;
        self.head.headers.remove(ETAG);
        self.head.headers.remove(LAST_MODIFIED);
    }
}

/// Rewrites the available part of the page, up to a limit. Then the head may be sent, with a length
/// if that part was the whole page. With `patient`, it also waits for the source, because a failure
/// after the head would cut off the page.
async fn begin(mut rewriting: Rewriting, patient: bool) -> Result<(Body, bool), CriticalFailed> {
    let mut made = Vec::new();
    let mut length = 0;
    let ended = poll_fn(|cx| {
        while length < AHEAD && !rewriting.is_full() {
            match Pin::new(&mut rewriting).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        length += data.len();
                        made.push(data);
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => return Poll::Ready(Ok(true)),
                Poll::Pending if patient || rewriting.is_computing() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(false))
    });
    match ended.await {
        Ok(true) => Ok((one(made).into(), true)),
        Ok(false) => {
            rewriting.forget();
            Ok((Replay::body(made, Body::new(rewriting)), true))
        }
        Err(error) => match rewriting.into_source() {
            _ if patient => {
                tracing::error!(
                    error = &*error as &dyn std::error::Error,
                    "a page ended before a critical transform"
                );
                Err(CriticalFailed)
            }
            // Nothing has been sent yet, so the original page is sent, even if it breaks off.
            (read, None) => Ok((Replay::failed(read, error), false)),
            (read, Some(rest)) => Ok((Replay::body(read, rest), false)),
        },
    }
}

fn one(mut chunks: Vec<Bytes>) -> Bytes {
    if chunks.len() == 1 {
        chunks.swap_remove(0)
    } else {
        chunks.concat().into()
    }
}

/// The page exceeds the limit for transforms of whole pages.
#[derive(Debug)]
struct TooLarge(usize);

impl std::fmt::Display for TooLarge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the page is larger than {} bytes", self.0)
    }
}

impl std::error::Error for TooLarge {}
