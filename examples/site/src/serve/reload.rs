//! SIGHUP, and the command `reload`: settings and certificates are read again, and nothing is
//! dropped.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use toml::Table;

use crate::cli::config::{self, ConfigError};
use crate::cli::error::StartError;
use crate::cli::settings::Settings;
use crate::serve::detached;
use crate::serve::live::{Live, Next, Parts};

/// The target of its lines in the log.
const LOG: &str = "site::reload";

/// Settings that take effect at the next start, because their sockets and files are already open,
/// or others rely on them.
const NEXT_START: [&str; 18] = [
    "access-log",
    "admin",
    "agent",
    "body-disk",
    "body-memory",
    "console",
    "data",
    "database",
    "drain",
    "heap-arenas",
    "lame-duck",
    "listen",
    "log-file",
    "log-format",
    "processes",
    "reuse-port",
    "unix-mode",
    "unix-owner",
];

/// Settings of the site itself, whose routes and layers are rebuilt. Some of them are also limits
/// of sockets, and `proxy-protocol` decides both which peers must send a header and what is local.
const SITE: [&str; 22] = [
    "allow-writes",
    "body-timeout",
    "demo",
    "edge-includes",
    "feed-host",
    "forwarded-field",
    "host",
    "idle-timeout",
    "max-upload",
    "news",
    "offload",
    "private-feed-host",
    "proxy-protocol",
    "publish-deadline",
    "request-id",
    "theme",
    "theme-mount",
    "theme-parameter",
    "trusted-proxy",
    "virtual-host",
    "virtual-host-proxy",
    "write-timeout",
];

/// Waits for signals, and for commands, forever. An error is reported, and nothing is changed.
pub(crate) async fn on_signal(
    mut hangups: Signal,
    asked: &Notify,
    started: &Settings,
    live: &Live,
) {
    let mut current = started.clone();
    loop {
        tokio::select! {
            Some(()) = hangups.recv() => {}
            () = asked.notified() => {}
        }
        let begun = started.clone();
        let was = current.clone();
        let parts = live.parts.clone();
        match detached::run("reloading", move || read(&begun, &was, &parts)).await {
            Ok(Read {
                next,
                changed,
                waits,
            }) => {
                let rules = live.parts.rules(&current);
                current = next.settings.clone();
                live.apply(next);
                if changed.is_empty() {
                    tracing::info!(
                        target: LOG,
                        "reloaded: no setting that takes effect at once has changed"
                    );
                } else {
                    tracing::info!(target: LOG, changed, "reloaded");
                }
                let new_rules = live.parts.rules(&current);
                if new_rules != rules {
                    tracing::info!(target: LOG, "the site is {new_rules}");
                }
                if !waits.is_empty() {
                    tracing::warn!(
                        target: LOG,
                        settings = waits,
                        "these take effect at the next start"
                    );
                }
            }
            Err(error) => {
                tracing::error!(
                    target: LOG,
                    "not reloaded, and nothing is changed: {error}"
                );
            }
        }
    }
}

/// The current contents of the files.
struct Read {
    next: Next,
    /// Names of settings: those that take effect at once, and those that do not.
    changed: String,
    waits: String,
}

/// The settings of this process as they would be now.
pub(crate) fn settings() -> Result<Settings, StartError> {
    config::read(std::env::args_os()).map_err(|error| match error {
        ConfigError::File(error) => error,
        ConfigError::Flags(error) => StartError::new(error, "this process", "see site --help"),
    })
}

fn read(started: &Settings, current: &Settings, parts: &Parts) -> Result<Read, StartError> {
    let new = settings()?;
    let [was, is, begun] = [current, &new, started].map(Settings::to_table);
    let was = was?;
    let is = is?;
    let begun = begun?;
    let changed: Vec<&str> = differ(&was, &is)
        .into_iter()
        .filter(|key| !NEXT_START.contains(key))
        .collect();
    let waits: Vec<&str> = differ(&begun, &is)
        .into_iter()
        .filter(|key| NEXT_START.contains(key))
        .collect();
    let next = parts.next(new, changed.iter().any(|key| SITE.contains(key)))?;
    Ok(Read {
        next,
        changed: changed.join(", "),
        waits: waits.join(", "),
    })
}

/// The settings that are not the same.
fn differ<'a>(one: &'a Table, other: &'a Table) -> BTreeSet<&'a str> {
    let keys = one.keys().chain(other.keys()).map(String::as_str);
    keys.filter(|key| one.get(*key) != other.get(*key))
        .collect()
}
