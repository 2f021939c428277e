//! The permissions of a request: to write, and to use the demonstrations.
//!
//! Both are on by default only for a *local* site, which can only be reached from its own machine,
//! without a proxy in front. Everywhere else the operator turns them on, with `--allow-writes` and
//! `--demo`. A gate around all routes decides, so that no route can forget the check: every method
//! that is not safe (RFC 9110 §9.2.1) writes, and every name with `@@` that is not listed here as
//! reading is a demonstration.
//!
//! Nor may another site make a browser do any of this. [`CsrfLayer`](tower_http::csrf::CsrfLayer)
//! recognizes changing requests by their methods, and lets every `GET` through. Here a `GET` that
//! browsers mark as made by another site (`Sec-Fetch-Site`) is refused as well: a picture, frame or
//! script elsewhere could count, or keep workers busy. A link on another site that a person follows
//! is allowed: each request costs a click, and the person wants to see the form or the
//! demonstration. Only a browser can report a click (`Sec-Fetch-User`, with a separate document as
//! `Sec-Fetch-Dest`). Requests that write at once are refused even then.

use std::fmt;

use axum::body::Body;
use axum::extract::Request;
use euryale::forwarded::AllowedHosts;
use http::header::{ACCEPT, ACCEPT_ENCODING, HOST, VIA};
use http::{Extensions, HeaderMap, HeaderName, Method, Uri};

use crate::cli::permissions::Permissions;
use crate::cli::settings::Settings;
use crate::demo::COUNTER;
use crate::pages::query::names;

/// The site's own addresses that only read. All others are demonstrations: a new one is off until
/// it is listed here.
const READING: [&str; 3] = ["/@@export", "/@@theme/", "/@@tiles/"];

/// The path that answers refused requests.
pub(crate) const REFUSED: &str = "/@@refused";

/// What a reader can do about a request that another site made the browser send.
pub(crate) const FOREIGN: &str =
    "Another site sent this request. Open the page here, and send it from there.";

/// What the operator permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    is_local: bool,
    permissions: Permissions,
}

impl Rules {
    /// `is_loopback_only`: every listener is on loopback, none was inherited, and none is
    /// a Unix socket.
    pub(crate) fn new(settings: &Settings, is_loopback_only: bool) -> Self {
        // A proxy or a balancer forwards requests of other machines, and a site with its own host
        // names is meant for others.
        let is_deployed = !settings.trusted_proxy.is_empty()
            || !settings.virtual_host_proxy.is_empty()
            || !settings.virtual_host.is_empty()
            || !settings.host.is_empty()
            || !settings.edge.proxy_protocol.is_empty();
        Self {
            is_local: is_loopback_only && !is_deployed,
            permissions: settings.permissions,
        }
    }

    /// The hosts that a local site answers. `None` means any.
    pub(crate) fn hosts(self) -> Option<AllowedHosts> {
        self.is_local.then(AllowedHosts::local)
    }

    /// The permissions of a request from this machine, and of one through a proxy.
    pub(crate) fn permits(self, is_proxied: bool) -> Permits {
        let is_local = self.is_local && !is_proxied;
        Permits {
            writes: self.permissions.allow_writes.unwrap_or(is_local),
            demo: self.permissions.demo.unwrap_or(is_local),
        }
    }
}

/// In words, with the flags that change it.
impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.is_local { "local" } else { "not local" };
        let Permits { writes, demo } = self.permits(false);
        let state = |is_on: bool| if is_on { "on" } else { "off" };
        let writes = state(writes);
        let demo = state(demo);
        write!(
            f,
            "{place}: writing is {writes} (--allow-writes), demonstrations are {demo} (--demo)"
        )
    }
}

/// The permissions of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permits {
    pub(crate) writes: bool,
    pub(crate) demo: bool,
}

impl Permits {
    /// The permissions in these extensions of a request. Without [`permit`], a request has none.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or_default()
    }

    /// Returns whether a request would be refused.
    pub(crate) fn refuse(self, method: &Method, uri: &Uri) -> bool {
        self.missing(method, uri).is_some()
    }

    fn missing(self, method: &Method, uri: &Uri) -> Option<Missing> {
        let writes = !self.writes && is_writing(method, uri);
        let demo = !self.demo && is_demonstration(uri.path()) && *method != Method::OPTIONS;
        (writes || demo).then_some(Missing { writes, demo })
    }
}

/// Includes the forms, which are useless without writing, and the counter, which a GET with a mode
/// changes.
fn is_writing(method: &Method, uri: &Uri) -> bool {
    if *method == Method::OPTIONS {
        return false;
    }
    let is_form = ["delete", "edit", "new"]
        .into_iter()
        .any(|name| names(uri, name));
    !method.is_safe() || is_form || counts(uri)
}

/// Returns whether a `GET` for it changes something at once.
fn counts(uri: &Uri) -> bool {
    uri.path() == COUNTER && names(uri, "mode")
}

fn is_demonstration(path: &str) -> bool {
    path.starts_with("/@@") && !READING.iter().any(|reading| path.starts_with(reading))
}

/// Returns whether another site made a browser send this request. Unsafe methods are left to
/// [`CsrfLayer`](tower_http::csrf::CsrfLayer), which also covers browsers without these fields.
fn is_foreign(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let is_read = *method == Method::GET || *method == Method::HEAD;
    let is_guarded = is_writing(method, uri) || is_demonstration(uri.path());
    if !is_read || !is_guarded {
        return false;
    }
    let says = |name: &str, values: &[&str]| {
        let lines = headers.get_all(name);
        let mut lines = lines.iter().filter_map(|line| line.to_str().ok());
        lines.any(|line| values.contains(&line.trim()))
    };
    let is_click = *method == Method::GET
        && says("sec-fetch-mode", &["navigate"])
        && says("sec-fetch-dest", &["document"])
        && says("sec-fetch-user", &["?1"]);
    says("sec-fetch-site", &["cross-site", "same-site"]) && (counts(uri) || !is_click)
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug)]
enum Reason {
    Off(Missing),
    Foreign,
}

impl Reason {
    fn detail(self) -> &'static str {
        match self {
            Self::Off(missing) => missing.detail(),
            Self::Foreign => FOREIGN,
        }
    }
}

/// The permission that a refused request would have needed.
#[derive(Clone, Copy, Debug)]
struct Missing {
    writes: bool,
    demo: bool,
}

impl Missing {
    fn detail(self) -> &'static str {
        match (self.writes, self.demo) {
            (true, true) => {
                "Writing and the demonstrations are off here. The operator turns them on by \
                 starting the site with --allow-writes and --demo."
            }
            (true, false) => {
                "This site is read-only here. The operator permits writing by starting it with \
                 --allow-writes."
            }
            (false, _) => {
                "The demonstrations are off here. The operator turns them on by starting the site \
                 with --demo."
            }
        }
    }
}

/// A request that is refused.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    reason: Reason,
}

impl Refused {
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// What the reader can do about it.
    pub(crate) fn detail(&self) -> &'static str {
        self.reason.detail()
    }
}

/// Decides what a request may do. It is outside everything that removes the fields of proxies.
pub(crate) fn permit(rules: Rules, mut request: Request) -> Request {
    let permits = rules.permits(names_a_proxy(request.headers()));
    request.extensions_mut().insert(permits);
    request
}

/// Returns whether a proxy left its fields, trusted or not.
fn names_a_proxy(headers: &HeaderMap) -> bool {
    let is_mark = |name: &HeaderName| {
        *name == VIA || name == "forwarded" || name.as_str().starts_with("x-forwarded-")
    };
    headers.keys().any(is_mark)
}

/// Sends refused requests to the page about the refusal. It is around all routes, inside the layers
/// that change paths.
pub(crate) fn gate(request: Request) -> Request {
    let permits = Permits::of(request.extensions());
    let method = request.method();
    let uri = request.uri();
    let missing = permits.missing(method, uri).map(Reason::Off);
    let foreign = || is_foreign(method, uri, request.headers()).then_some(Reason::Foreign);
    match missing.or_else(foreign) {
        Some(reason) => refused(request, reason),
        None => request,
    }
}

/// Requests the page instead, without the body, and with only the parts of the head that the page
/// needs.
fn refused(request: Request, reason: Reason) -> Request {
    let (mut parts, _) = request.into_parts();
    parts.extensions.insert(Refused { reason });
    parts.uri = Uri::from_static(REFUSED);
    if parts.method != Method::HEAD {
        parts.method = Method::GET;
    }
    let needed = [ACCEPT, ACCEPT_ENCODING, HOST];
    parts.headers = needed
        .into_iter()
        .filter_map(|name| Some((name.clone(), parts.headers.get(&name)?.clone())))
        .collect();
    Request::from_parts(parts, Body::empty())
}
