//! The parts of a running site that a new configuration changes.

use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};

use axum::Router;
use euryale::Pool;
use euryale::request::PeerAddr;
use euryale_admin::Admin;
use euryale_agent_check::Resume;
use euryale_server::rustls::ServerConfig;
use euryale_server::{Changes, DescriptorLimit, Incoming, Shutdown, Tls};
use http::Request;
use tower::Service;
use tracing_subscriber::EnvFilter;

use crate::cli::effects::{self, Findings, Ways};
use crate::cli::error::StartError;
use crate::cli::listen::Balancers;
use crate::cli::settings::Settings;
use crate::demo::echo;
use crate::pages::theme::Theme;
use crate::serve::access_log::AccessLog;
use crate::serve::app::{SEARCHES, UPLOADS, app, searches, uploads};
use crate::serve::health::Health;
use crate::serve::lanes::Lanes;
use crate::serve::log::{self, Lines, Log};
use crate::serve::operators::answers;
use crate::serve::permits::Rules;
use crate::serve::storage::Storage;
use crate::serve::{certificates, descriptors, public};
use crate::store::Engine;

/// The parts that do not depend on the settings, and from which the site is built.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) pool: Pool<Engine>,
    pub(crate) storage: Storage,
    pub(crate) lanes: Lanes,
    pub(crate) health: Health,
    pub(crate) shutdown: Shutdown,
    pub(crate) ways: Ways,
    /// The file of `--access-log`.
    pub(crate) access: Option<Lines>,
    /// Whether no listener can be reached from another machine.
    pub(crate) is_loopback_only: bool,
}

impl Parts {
    /// The site with all of its routes and its theme. Reads the theme's files: before anything is
    /// served, or rarely.
    pub(crate) fn site(&self, settings: &Settings) -> Result<(Router, Theme), StartError> {
        let theme = Theme::open(&settings.theme)?;
        let resume: Resume = self.health.resume();
        let app = app(
            self.pool.clone(),
            self.storage.clone(),
            self.lanes.clone(),
            &theme,
            settings,
            resume,
        );
        let app = echo::beside(app, &self.shutdown, &settings.edge);
        let rules = self.rules(settings);
        let access = AccessLog::new(settings, self.access.as_ref(), &self.shutdown);
        Ok((public::around(app, settings, rules, access), theme))
    }

    pub(crate) fn rules(&self, settings: &Settings) -> Rules {
        Rules::new(settings, self.is_loopback_only)
    }

    /// The parts that depend on settings. Reads files, and changes nothing.
    pub(crate) fn next(
        &self,
        settings: Settings,
        is_another_site: bool,
    ) -> Result<Next, StartError> {
        let filter = log::filter(&settings)?;
        let findings = self.find(&settings)?.first_error()?;
        let certificates = certificates::read(&settings.edge)?;
        let site = if is_another_site {
            Some(self.site(&settings)?)
        } else {
            None
        };
        Ok(Next {
            settings,
            filter,
            certificates,
            site,
            findings,
        })
    }

    /// Settings without effect at the next start: the listeners are those of the settings then.
    fn find(&self, settings: &Settings) -> Result<Findings, StartError> {
        effects::find(settings, self.ways.with(settings), self.rules(settings))
    }
}

/// The changes to apply at once; everything that can fail has been done.
pub(crate) struct Next {
    pub(crate) settings: Settings,
    filter: EnvFilter,
    certificates: Option<ServerConfig>,
    site: Option<(Router, Theme)>,
    findings: Findings,
}

/// The entrance to the site. A running request stays with the version of the site that it entered.
#[derive(Clone)]
pub(crate) struct WayIn(Arc<RwLock<Router>>);

impl WayIn {
    pub(crate) fn new(site: Router) -> Self {
        Self(Arc::new(RwLock::new(site)))
    }

    fn replace(&self, site: Router) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *current, site);
        drop(current);
        drop(old);
    }
}

impl Service<Request<Incoming>> for WayIn {
    type Response = axum::response::Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<Incoming>>>::Future;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let mut site = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        site.call(request)
    }
}

/// The entrance for operators, whose allowed hosts change with the site's.
#[derive(Clone)]
pub(crate) struct OperatorsWayIn {
    pub(crate) way_in: WayIn,
    pub(crate) admin: Admin,
}

impl OperatorsWayIn {
    pub(crate) fn new(admin: Admin, rules: Rules) -> Self {
        let way_in = WayIn::new(answers(admin.clone(), rules));
        Self { way_in, admin }
    }

    fn follow(&self, rules: Rules) {
        self.way_in.replace(answers(self.admin.clone(), rules));
    }
}

/// The peers that must send a PROXY header.
#[derive(Clone, Default)]
pub(crate) struct Who(Arc<RwLock<Vec<Balancers>>>);

impl Who {
    pub(crate) fn are(&self, balancers: &[Balancers]) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = balancers.to_vec();
    }

    pub(crate) fn have(&self, peer: PeerAddr) -> bool {
        let balancers = self.0.read().unwrap_or_else(PoisonError::into_inner);
        balancers.iter().any(|some| some.have(peer))
    }
}

/// The parts of a running site that can be changed.
pub(crate) struct Live {
    pub(crate) parts: Parts,
    pub(crate) way_in: WayIn,
    pub(crate) limit: DescriptorLimit,
    pub(crate) changes: Changes,
    pub(crate) tls: Option<Tls>,
    pub(crate) balancers: Who,
    pub(crate) log: Log,
    pub(crate) operators: OperatorsWayIn,
}

impl Live {
    /// All of it.
    pub(crate) fn apply(&self, next: Next) {
        let Next {
            settings: new,
            filter,
            certificates,
            site,
            findings,
        } = next;
        if let (Some(tls), Some(certificates)) = (&self.tls, certificates) {
            tls.replace(certificates);
        }
        descriptors::log_shortage(&self.limit, &new);
        findings.log();
        let new = descriptors::fit(&self.limit, &new);
        self.parts.storage.descriptors.allow(new.edge.max_files);
        let pool = &self.parts.pool;
        pool.resize(new.connections);
        pool.restrict(new.max_queue, new.max_wait);
        for (lane, share) in [(UPLOADS, uploads(&new)), (SEARCHES, searches(&new))] {
            if let Some(lane) = pool.lane(lane) {
                pool.share(lane, share);
            }
        }
        self.changes.apply(&new.edge.server());
        self.parts.health.holds(new.edge.sockets_of_a_balancer());
        self.balancers.are(&new.edge.proxy_protocol);
        self.log.change(filter);
        if let Some((site, theme)) = site {
            self.operators.follow(self.parts.rules(&new));
            self.way_in.replace(site);
            self.parts.health.shows(theme);
        }
    }
}
