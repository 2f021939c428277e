//! The ordered transforms, and the selection of those that apply to a response.

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;

use euryale_core::body::BlobHandle;
use euryale_core::error::PanicMessage;
use euryale_core::ledger::GaugeGuard;
use euryale_core::{Body, Response};
use euryale_subrequest::text as html;
use http::header::{CONTENT_ENCODING, CONTENT_RANGE};
use http::{HeaderValue, Method, StatusCode, response};
use http_body::Body as _;

use crate::rewriting::{Budget, Where};
use crate::run::Run;
use crate::settings::Settings;
use crate::tag::{self, Known, Suffix};
use crate::transform::{Kind, Transform};
use crate::watch::Watch;
use crate::{Page, TRANSFORM_FAILED, TransformMeters, TransformsOff, framing};

pub(crate) struct Chain {
    steps: Vec<Step>,
    /// Whether any transform changes bodies.
    has_bodies: bool,
    budget: Arc<Budget>,
    pub(crate) settings: Arc<Settings>,
}

/// Fields that make a proxy send a file instead of the body.
const LEFT: [&str; 2] = ["x-accel-redirect", "x-sendfile"];

/// The request header of the off switch.
const OFF: &str = "transform-off";

/// The data of a request that the chain needs later.
pub(crate) struct Asked {
    pub(crate) page: Page,
    off: Option<TransformsOff>,
    known: Vec<Known>,
}

impl Asked {
    fn has_off(&self, step: &Step, head: &response::Parts) -> bool {
        let request = &self.page.request().extensions;
        let response = &head.extensions;
        let said = [
            self.off.as_ref(),
            request.get::<TransformsOff>(),
            response.get::<TransformsOff>(),
        ];
        said.into_iter().flatten().any(|off| off.covers(&step.name))
    }
}

/// A transform, and its properties that are read once.
pub(crate) struct Step {
    pub(crate) kind: Kind,
    name: Arc<str>,
    critical: bool,
    meters: Arc<TransformMeters>,
}

/// The transforms that apply to a response.
pub(crate) enum Found {
    Nothing(Response),
    Work(Plan, Response),
}

/// The steps that apply to a response, by their places in the chain.
#[derive(Default)]
pub(crate) struct Plan {
    pub(crate) steps: Vec<usize>,
    /// A bit for each step that transforms the body.
    pub(crate) bodies: u64,
    /// Whether a critical transform failed while it decided if it applies.
    pub(crate) is_broken: bool,
}

/// The number of places that have a bit. Pages that are transformed by later places have no tag.
const PLACES: usize = 63;

impl Chain {
    pub(crate) fn new(transforms: Vec<Kind>, mut settings: Settings) -> Self {
        let books = transforms.iter().map(Kind::transform);
        settings.books = books
            .filter_map(|transform| transform.book(&settings.ledger))
            .collect();
        let mut steps: Vec<_> = transforms
            .into_iter()
            .map(|kind| Step::new(kind, &settings))
            .collect();
        // The sort is stable, so that of two equal transforms the one that was added first stays
        // first.
        steps.sort_by(|one, other| one.place().cmp(&other.place()));
        let has_bodies = steps.iter().any(|step| !matches!(step.kind, Kind::Head(_)));
        Self {
            steps,
            has_bodies,
            budget: Arc::new(Budget::new(settings.budget)),
            settings: Arc::new(settings),
        }
    }

    pub(crate) fn step(&self, at: usize) -> &Step {
        &self.steps[at]
    }

    /// Returns the bit of a place.
    pub(crate) fn place(at: usize) -> u64 {
        1 << at.min(PLACES)
    }

    pub(crate) fn rewriting(&self) -> Where {
        let Settings { cpu, deadline, .. } = &*self.settings;
        Where {
            cpu: cpu.clone(),
            budget: Arc::clone(&self.budget),
            deadline: *deadline,
        }
    }

    pub(crate) fn failed(&self, page: &Page) -> Response {
        let mut response = self.settings.failed(page);
        response.extensions_mut().insert(TRANSFORM_FAILED);
        response
    }

    /// Returns the tag of a page with `tag` after the transforms at these places.
    pub(crate) fn tag(&self, places: u64, tag: Option<&HeaderValue>) -> Option<HeaderValue> {
        tag.and_then(|tag| self.suffix(places)?.outer(tag))
    }

    /// Returns the suffix that the transforms at these places add to a tag, if all of them have a
    /// version.
    fn suffix(&self, places: u64) -> Option<Suffix> {
        let mut names = Vec::new();
        for at in (0..64).filter(|at| places & (1 << at) != 0) {
            let step = self.steps.get(at).filter(|_| at < PLACES)?;
            let version = PanicMessage::catch(|| step.transform().version().map(Cow::into_owned));
            names.extend([step.name.to_string(), version.ok()??]);
        }
        Some(Suffix::new(places, names.iter().map(String::as_str)))
    }

    /// Returns the data of a request that the chain needs later, and the request for the inner
    /// service.
    pub(crate) fn ask<A>(&self, request: http::Request<A>) -> (Asked, http::Request<A>) {
        let (mut parts, body) = request.into_parts();
        // The inner service must not see the off switch of an untrusted peer.
        let off = parts
            .headers
            .remove(OFF)
            .filter(|_| (self.settings.trusts_off)(&parts));
        let off = off.and_then(|value| TransformsOff::of_header(&value));
        let page = Page::new(parts.clone(), Arc::clone(&self.settings));
        let mut known = Vec::new();
        if self.judges(&page) {
            let is_current = |suffix: &Suffix| {
                off.is_none() && self.suffix(suffix.places).as_ref() == Some(suffix)
            };
            known = tag::inward(&mut parts.headers, is_current);
        }
        (
            Asked { page, off, known },
            http::Request::from_parts(parts, body),
        )
    }

    /// Asks each eligible transform whether it applies.
    pub(crate) fn look(&self, asked: &Asked, mut response: Response) -> Found {
        Body::publish_handle(&mut response, &self.settings.ledger);
        if response.status() == StatusCode::NOT_MODIFIED {
            tag::outward(response.headers_mut(), &asked.known);
        }
        let is_page = is_page(&response, asked.page.request().method == Method::HEAD);
        let is_final = !response.status().is_informational();
        let (head, body) = response.into_parts();
        let mut plan = Plan::default();
        for (at, step) in self.steps.iter().enumerate() {
            let is_head = matches!(step.kind, Kind::Head(_));
            if !(is_page || is_head && is_final) || asked.has_off(step, &head) {
                continue;
            }
            match PanicMessage::catch(|| step.transform().applies(&asked.page, &head)) {
                Ok(true) => {
                    plan.steps.push(at);
                    plan.bodies |= if is_head { 0 } else { Self::place(at) };
                }
                Ok(false) => {}
                Err(panic) => plan.is_broken |= step.watch().failed(&panic).is_err(),
            }
        }
        let response = Response::from_parts(head, body);
        if plan.steps.is_empty() && !plan.is_broken {
            return Found::Nothing(self.judged(&asked.page, response));
        }
        Found::Work(plan, response)
    }

    /// Returns whether the chain evaluates this request's conditions instead of the inner service.
    fn judges(&self, page: &Page) -> bool {
        self.has_bodies && matches!(page.request().method, Method::GET | Method::HEAD)
    }

    /// Answers 304 if the client already has a response whose body no transform changed.
    pub(crate) fn judged(&self, page: &Page, response: Response) -> Response {
        let is_found = matches!(
            response.status(),
            StatusCode::OK | StatusCode::PARTIAL_CONTENT
        );
        // A proxy that sends a file itself also evaluates the conditions.
        let is_left = LEFT
            .iter()
            .any(|order| response.headers().contains_key(*order));
        if is_found
            && !is_left
            && self.judges(page)
            && tag::has(&page.request().headers, response.headers())
        {
            return framing::not_modified(response);
        }
        response
    }

    pub(crate) fn transform(
        self: Arc<Self>,
        page: Page,
        plan: Plan,
        response: Response,
    ) -> impl Future<Output = Response> + Send {
        let running = GaugeGuard::new(&self.settings.book.running, 1);
        Run::new(self, page, running).through(plan, response)
    }
}

impl Step {
    fn new(kind: Kind, settings: &Settings) -> Self {
        let transform = kind.transform();
        let name = Arc::from(transform.name());
        let critical = transform.is_critical();
        let meters = settings.book.by_name.of(transform.name());
        Self {
            kind,
            name,
            critical,
            meters,
        }
    }

    pub(crate) fn transform(&self) -> &dyn Transform {
        self.kind.transform()
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::new(&self.name, self.critical, &self.meters)
    }

    pub(crate) fn is_critical(&self) -> bool {
        self.critical
    }

    fn place(&self) -> (i32, &str) {
        (self.transform().order(), &self.name)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Returns whether the response is HTML that is sent whole and without a content coding.
fn is_page(response: &Response, is_head: bool) -> bool {
    let status = response.status();
    let headers = response.headers();
    let is_whole = !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    is_whole
        && html::is_html(headers)
        && html::charset(headers).is_some()
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && response.extensions().get::<BlobHandle>().is_none()
        // The body of an answer to HEAD may have been removed.
        && (is_head || !response.body().is_end_stream())
}
