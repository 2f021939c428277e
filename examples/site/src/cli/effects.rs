//! Finds settings that would have no effect, and what each of them needs.
//!
//! A setting without effect is usually a mistake, so a warning names it. If the operator would rely
//! on it for safety, the site does not start.

#[cfg(test)]
mod tests;

use clap::builder::{OsStr, Resettable};
use clap::{CommandFactory, FromArgMatches};
use euryale::forwarded::TrustedProxy;

use crate::cli::error::StartError;
use crate::cli::listen::{Balancers, Listen};
use crate::cli::settings::Settings;
use crate::demo::feed;
use crate::pages::theme::choice::Choice;
use crate::serve::permits::{Permits, Rules};

/// The kinds of sockets that are listened on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ways {
    pub(crate) tcp: bool,
    pub(crate) unix: bool,
    pub(crate) tls: bool,
    /// Sockets that systemd has bound; `--listen` is ignored.
    pub(crate) is_inherited: bool,
}

impl Ways {
    /// Those of `--listen`.
    pub(crate) fn of(settings: &Settings) -> Self {
        let any = |kind: fn(&Listen) -> bool| settings.listen.iter().any(kind);
        Self {
            tcp: any(|listen| listen.tcp().is_some()),
            unix: any(|listen| matches!(listen, Listen::Unix(_))),
            tls: any(|listen| matches!(listen, Listen::Tls(_))),
            is_inherited: false,
        }
    }

    /// The sockets of a start with these settings. Those from systemd stay the same.
    pub(crate) fn with(self, settings: &Settings) -> Self {
        if self.is_inherited {
            self
        } else {
            Self::of(settings)
        }
    }
}

/// The facts that decide whether a setting has an effect.
struct Facts<'a> {
    settings: &'a Settings,
    ways: Ways,
    /// The permissions of a request without a proxy.
    permits: Permits,
}

impl Facts<'_> {
    fn has_networks(proxies: &[TrustedProxy]) -> bool {
        proxies.iter().any(|proxy| *proxy != TrustedProxy::UNIX)
    }

    /// A PROXY header gives a peer of any socket an IP address.
    fn has_ip_peers(&self) -> bool {
        self.ways.tcp || !self.settings.edge.proxy_protocol.is_empty()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Warning,
    /// Without an effect of the setting, the site would serve something else than the operator
    /// believes.
    Error,
}

use Fault::{Error, Warning};

/// A setting, and the condition under which it has no effect.
struct Need {
    setting: &'static str,
    fault: Fault,
    /// Checked only if the setting differs from its default.
    lacks: fn(&Facts<'_>) -> bool,
    needs: &'static str,
}

const fn need(
    setting: &'static str,
    fault: Fault,
    lacks: fn(&Facts<'_>) -> bool,
    needs: &'static str,
) -> Need {
    Need {
        setting,
        fault,
        lacks,
        needs,
    }
}

const TLS: &str = "it needs a tls: address of --listen, or a socket that systemd names tls: all of \
    the site would be served without TLS";
const UNIX: &str = "it needs a unix: address of --listen";
const PROXY: &str = "it needs --trusted-proxy";
const WRITES: &str = "it needs --allow-writes: the site is read-only";
const FEEDS: &str = "it needs --demo, for /@@feed, or --news";
const THEME: &str = "it needs a folder as --theme";
const UNIX_PEERS: &str = "its unix needs a unix: address of --listen";
const IP_PEERS: &str = "its networks need a TCP address of --listen, or --proxy-protocol";

/// All combinations. A setting may have several rows.
const NEEDS: [Need; 25] = [
    need("tls-cert", Error, |facts| !facts.ways.tls, TLS),
    need("tls-key", Error, |facts| !facts.ways.tls, TLS),
    need(
        "listen",
        Warning,
        |facts| facts.ways.is_inherited,
        "the sockets from systemd are used instead",
    ),
    need("unix-mode", Warning, no_unix_of_its_own, UNIX),
    need("unix-owner", Warning, no_unix_of_its_own, UNIX),
    need(
        "reuse-port",
        Warning,
        |facts| facts.ways.is_inherited || !facts.ways.tcp,
        "it needs a TCP address of --listen",
    ),
    need(
        "handshake-timeout",
        Warning,
        |facts| !facts.ways.tls && facts.settings.edge.proxy_protocol.is_empty(),
        "it needs a tls: address of --listen, or --proxy-protocol",
    ),
    need(
        "max-sockets-per-peer",
        Warning,
        |facts| !facts.has_ip_peers(),
        "it needs a TCP address of --listen, or --proxy-protocol",
    ),
    need(
        "proxy-protocol",
        Warning,
        |facts| {
            facts
                .settings
                .edge
                .proxy_protocol
                .contains(&Balancers::Unix)
                && !facts.ways.unix
        },
        UNIX_PEERS,
    ),
    need(
        "proxy-protocol",
        Warning,
        |facts| {
            let balancers = &facts.settings.edge.proxy_protocol;
            balancers.iter().any(|some| *some != Balancers::Unix) && !facts.ways.tcp
        },
        "its networks need a TCP address of --listen",
    ),
    need(
        "trusted-proxy",
        Warning,
        |facts| facts.settings.trusted_proxy.contains(&TrustedProxy::UNIX) && !facts.ways.unix,
        UNIX_PEERS,
    ),
    need(
        "trusted-proxy",
        Warning,
        |facts| Facts::has_networks(&facts.settings.trusted_proxy) && !facts.has_ip_peers(),
        IP_PEERS,
    ),
    need(
        "virtual-host-proxy",
        Warning,
        |facts| {
            let proxies = &facts.settings.virtual_host_proxy;
            proxies.contains(&TrustedProxy::UNIX) && !facts.ways.unix
        },
        UNIX_PEERS,
    ),
    need(
        "virtual-host-proxy",
        Warning,
        |facts| Facts::has_networks(&facts.settings.virtual_host_proxy) && !facts.has_ip_peers(),
        IP_PEERS,
    ),
    need("forwarded-field", Warning, no_proxy, PROXY),
    need("offload", Warning, no_proxy, PROXY),
    need("max-upload", Warning, no_writes, WRITES),
    need("body-memory", Warning, no_writes, WRITES),
    need("body-disk", Warning, no_writes, WRITES),
    need("feed-host", Warning, no_feeds, FEEDS),
    need("private-feed-host", Warning, no_feeds, FEEDS),
    need(
        "news",
        Warning,
        |facts| {
            let news = facts.settings.news.as_deref();
            news.is_some_and(|url| !feed::is_allowed(facts.settings, url))
        },
        "its host must be one of --feed-host or --private-feed-host",
    ),
    need("theme-parameter", Warning, no_theme_of_its_own, THEME),
    need("theme-mount", Warning, no_theme_of_its_own, THEME),
    need("edge-includes", Warning, no_theme_of_its_own, THEME),
];

fn no_unix_of_its_own(facts: &Facts<'_>) -> bool {
    facts.ways.is_inherited || !facts.ways.unix
}

fn no_proxy(facts: &Facts<'_>) -> bool {
    facts.settings.trusted_proxy.is_empty()
}

fn no_writes(facts: &Facts<'_>) -> bool {
    !facts.permits.writes
}

fn no_theme_of_its_own(facts: &Facts<'_>) -> bool {
    !matches!(facts.settings.theme.theme, Choice::Folder(_))
}

fn no_feeds(facts: &Facts<'_>) -> bool {
    !facts.permits.demo && facts.settings.news.is_none()
}

/// The findings.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) warnings: Vec<StartError>,
    /// These keep the site from starting.
    pub(crate) errors: Vec<StartError>,
}

impl Findings {
    /// # Errors
    /// The first error.
    pub(crate) fn first_error(self) -> Result<Self, StartError> {
        match self.errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(Self {
                warnings: self.warnings,
                errors: Vec::new(),
            }),
        }
    }

    /// Logs the warnings.
    pub(crate) fn log(&self) {
        for warning in &self.warnings {
            tracing::warn!(target: "site::effects", "{warning}");
        }
    }
}

/// Looks for settings without effect.
pub(crate) fn find(settings: &Settings, ways: Ways, rules: Rules) -> Result<Findings, StartError> {
    let facts = Facts {
        settings,
        ways,
        permits: rules.permits(false),
    };
    let given = settings.to_table()?;
    let defaults = defaults().to_table()?;
    let mut findings = Findings::default();
    for need in &NEEDS {
        let is_given = given.get(need.setting) != defaults.get(need.setting);
        if is_given && (need.lacks)(&facts) {
            let flag = format!("--{}", need.setting);
            let finding = StartError::new("setting without effect", flag, need.needs);
            match need.fault {
                Fault::Warning => findings.warnings.push(finding),
                Fault::Error => findings.errors.push(finding),
            }
        }
    }
    Ok(findings)
}

/// The settings of a program without flags, variables and a file.
fn defaults() -> Settings {
    let command = Settings::command().mut_args(|argument| argument.env(Resettable::<OsStr>::Reset));
    let matches = command.get_matches_from(["site"]);
    Settings::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}
