//! One response on its way through the chain.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::ledger::GaugeGuard;
use euryale_core::{Body, Error, ErrorKind, Response};
use http::header::{CONTENT_LENGTH, ETAG};
use http::response;

use crate::chain::{Chain, Plan, Step};
use crate::text;
use crate::transform::Kind;
use crate::watch::Watch;
use crate::{Handlers, Page, pass};

pub(crate) struct Run {
    chain: Arc<Chain>,
    page: Page,
    _running: GaugeGuard,
}

impl Run {
    pub(crate) fn new(chain: Arc<Chain>, page: Page, running: GaugeGuard) -> Self {
        Self { chain, page, _running: running }
    }

    pub(crate) async fn through(self, plan: Plan, response: Response) -> Response {
        let (mut head, mut body) = response.into_parts();
        let mut rewrites = Vec::new();
        for step in plan.steps.iter().map(|&at| self.chain.step(at)) {
            match &step.kind {
                Kind::Head(transform) => {
                    let (watch, mut edited) = (step.watch(), head.clone());
                    match watch.time(|| transform.edit_head(&self.page, &mut edited)) {
                        Ok(()) => head = edited,
                        Err(error) => watch.fail(&*error),
                    }
                }
                Kind::Rewrite(_) => rewrites.push(step),
                Kind::Whole(_) => {
                    body = self.rewritten(&mem::take(&mut rewrites), &mut head, body).await;
                    (head, body) = self.whole(step, head, body).await;
                }
            }
        }
        body = self.rewritten(&rewrites, &mut head, body).await;
        Response::from_parts(head, body)
    }

    async fn rewritten(&self, steps: &[&Step], head: &mut response::Parts, body: Body) -> Body {
        let (false, Some(charset)) = (steps.is_empty(), text::charset(&head.headers)) else { return body };
        let mut all = Vec::new();
        for step in steps {
            let Kind::Rewrite(transform) = &step.kind else { continue };
            let watch = Arc::new(step.watch());
            let mut handlers = Handlers::new(Arc::clone(&watch));
            match watch.time(|| transform.rewrite(&self.page, &mut handlers)) {
                Ok(()) => all.push(handlers),
                Err(error) => watch.fail(&*error),
            }
        }
        let Ok(bytes) = collect(body, self.chain.settings.body_limit).await else { return Body::empty() };
        match pass::rewrite(&bytes, charset, all) {
            Ok(rewritten) => {
                unframe(head);
                Body::from(rewritten)
            }
            Err(_) => Body::from(bytes),
        }
    }

    async fn whole(&self, step: &Step, mut head: response::Parts, body: Body) -> (response::Parts, Body) {
        let watch = step.watch();
        let limit = self.chain.settings.body_limit;
        let Ok(bytes) = collect(body, limit).await else { return (head, Body::empty()) };
        let Some(charset) = text::charset(&head.headers) else { return (head, bytes.into()) };
        let page = match text::decode(bytes, charset) {
            Ok(page) => page,
            Err(bytes) => return (head, bytes.into()),
        };
        match self.one(&watch, step, http::Response::from_parts(head.clone(), page.clone())).await {
            Ok(response) => {
                let (mut head, page) = response.into_parts();
                unframe(&mut head);
                text::declare_utf8(&mut head.headers);
                (head, page.into())
            }
            Err(error) => {
                watch.fail(&error);
                text::declare_utf8(&mut head.headers);
                (head, page.into())
            }
        }
    }

    async fn one(
        &self,
        watch: &Watch,
        step: &Step,
        response: http::Response<String>,
    ) -> Result<http::Response<String>, Error> {
        let Kind::Whole(transform) = &step.kind else { return Ok(response) };
        let transformed = watch.time(|| Ok(transform.start(&self.page, response)))?;
        let deadline = self.chain.settings.deadline;
        let transformed = tokio::time::timeout(deadline, transformed).await;
        Ok(transformed.map_err(|_| Error::new(ErrorKind::Elapsed))??)
    }
}

fn unframe(head: &mut response::Parts) {
    for name in [CONTENT_LENGTH, ETAG] {
        head.headers.remove(name);
    }
}

async fn collect(mut body: Body, limit: usize) -> Result<Vec<u8>, ()> {
    let mut all = Vec::new();
    while let Some(frame) =
        std::future::poll_fn(|cx| http_body::Body::poll_frame(std::pin::Pin::new(&mut body), cx)).await
    {
        let Ok(data) = frame.map_err(drop)?.into_data() else { continue };
        let data: Bytes = data;
        if all.len() + data.len() > limit {
            return Err(());
        }
        all.extend_from_slice(&data);
    }
    Ok(all)
}
