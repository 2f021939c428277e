//! The transforms in their order, and which of them a response goes through.

use std::future::Future;
use std::sync::Arc;

use euryale_core::ledger::{GaugeGuard, TransformMeters};
use euryale_core::{BlobHandle, Response};
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_RANGE};
use http_body::Body as _;

use crate::layer::Settings;
use crate::run::Run;
use crate::text;
use crate::transform::{Kind, Transform};
use crate::watch::Watch;
use crate::{Cpu, Page};

#[derive(Debug)]
pub(crate) struct Chain {
    steps: Vec<Step>,
    pub(crate) settings: Settings,
}

/// One transform, and what is asked of it once.
pub(crate) struct Step {
    pub(crate) kind: Kind,
    name: Arc<str>,
    critical: bool,
    meters: Arc<TransformMeters>,
}

/// What a response goes through.
pub(crate) enum Found {
    Nothing(Response),
    Work(Plan, Response),
}

/// The steps that apply, by their places in the chain.
pub(crate) struct Plan {
    pub(crate) steps: Vec<usize>,
}

impl Chain {
    pub(crate) fn new(transforms: Vec<Kind>, settings: Settings) -> Self {
        let mut steps: Vec<_> = transforms.into_iter().map(|kind| Step::new(kind, &settings)).collect();
        // Stable: of equals the one that was added first stays first.
        steps.sort_by(|one, other| one.place().cmp(&other.place()));
        Self { steps, settings }
    }

    pub(crate) fn cpu(&self) -> &Cpu {
        &self.settings.cpu
    }

    pub(crate) fn step(&self, at: usize) -> &Step {
        &self.steps[at]
    }

    /// Asks each transform that may whether it applies.
    pub(crate) fn look(&self, page: &Page, response: Response) -> Found {
        let is_page = is_page(&response);
        let (head, body) = response.into_parts();
        let mut steps = Vec::new();
        for (at, step) in self.steps.iter().enumerate() {
            let may = is_page || matches!(step.kind, Kind::Head(_));
            if may && step.transform().applies(page, &head) {
                steps.push(at);
            }
        }
        let response = Response::from_parts(head, body);
        if steps.is_empty() { Found::Nothing(response) } else { Found::Work(Plan { steps }, response) }
    }

    pub(crate) fn transform(
        self: Arc<Self>,
        page: Page,
        plan: Plan,
        response: Response,
    ) -> impl Future<Output = Response> + Send {
        let running = GaugeGuard::new(&self.settings.ledger, |ledger| &ledger.transforms.running, 1);
        Run::new(self, page, running).through(plan, response)
    }
}

impl Step {
    fn new(kind: Kind, settings: &Settings) -> Self {
        let transform = kind.transform();
        let (name, critical) = (Arc::from(transform.name()), transform.is_critical());
        let meters = settings.ledger.transforms.by_name.of(transform.name());
        Self { kind, name, critical, meters }
    }

    pub(crate) fn transform(&self) -> &dyn Transform {
        self.kind.transform()
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::new(&self.name, self.critical, &self.meters)
    }

    fn place(&self) -> (i32, &str) {
        (self.transform().order(), &self.name)
    }
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Step").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Is it HTML that is sent whole and uncoded?
fn is_page(response: &Response) -> bool {
    let (status, headers) = (response.status(), response.headers());
    let is_whole = !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        );
    is_whole
        && text::is_html(headers)
        && text::charset(headers).is_some()
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && response.extensions().get::<BlobHandle>().is_none()
        && !response.body().is_end_stream()
}
