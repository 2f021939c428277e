//! Divides the process's descriptors.

use euryale_server::{DescriptorLimit, DescriptorShares};

use crate::cli::edge::{DEFAULT_FILES, DEFAULT_SOCKETS};
use crate::cli::error::StartError;
use crate::cli::settings::Settings;

/// The target of its lines in the log.
const LOG: &str = "site::descriptors";

/// Raises the limit of the process.
pub(crate) fn raise() -> Result<DescriptorLimit, StartError> {
    DescriptorLimit::raise().map_err(|error| {
        let what = format!("cannot raise the limit of open files: {error}");
        StartError::new(
            what,
            "this process",
            "see ulimit -n, and the system's limits",
        )
    })
}

/// Lowers the numbers of sockets, files and connections in the settings to fit the descriptors.
pub(crate) fn fit(limit: &DescriptorLimit, settings: &Settings) -> Settings {
    let (_, shares) = shares(limit, settings);
    let mut fitted = settings.clone();
    fitted.edge.max_sockets = shares.sockets;
    fitted.edge.max_files = shares.files;
    fitted.connections = shares.connections;
    fitted
}

/// Logs one line if there are fewer descriptors than the settings ask for: a warning, unless only
/// defaults are lowered.
pub(crate) fn log_shortage(limit: &DescriptorLimit, settings: &Settings) {
    let (wanted, shares) = shares(limit, settings);
    let sockets_are_short = shares.sockets < wanted.sockets;
    let files_are_short = shares.files < wanted.files;
    let is_warning = shares.connections < wanted.connections
        || (sockets_are_short && wanted.sockets != DEFAULT_SOCKETS)
        || (files_are_short && wanted.files != DEFAULT_FILES);
    if is_warning {
        tracing::warn!(target: LOG, "{}", limit.shortage(wanted, shares));
    } else if sockets_are_short || files_are_short {
        tracing::info!(
            target: LOG, max_sockets = shares.sockets,
            max_files = shares.files,
            "the defaults are lowered to what fits below the limit of open files"
        );
    }
}

/// The descriptors that the settings ask for, and those that they get.
fn shares(limit: &DescriptorLimit, settings: &Settings) -> (DescriptorShares, DescriptorShares) {
    let wanted = wanted(settings);
    (wanted, yielding(wanted, limit.fit(wanted)))
}

fn wanted(settings: &Settings) -> DescriptorShares {
    DescriptorShares::new(settings.edge.max_sockets)
        .files(settings.edge.max_files)
        .connections(settings.connections)
}

/// The shares, in which a default is reduced in favour of a number that was set, down to a quarter
/// of what sockets and files have together.
fn yielding(wanted: DescriptorShares, fitted: DescriptorShares) -> DescriptorShares {
    let both = fitted.sockets + fitted.files;
    let most = both - both / 4;
    let sockets_are_set = wanted.sockets != DEFAULT_SOCKETS;
    let files_are_set = wanted.files != DEFAULT_FILES;
    let sockets = if sockets_are_set && !files_are_set {
        wanted.sockets.min(most).max(fitted.sockets)
    } else if files_are_set && !sockets_are_set {
        both - wanted.files.min(most).max(fitted.files)
    } else {
        fitted.sockets
    };
    DescriptorShares::new(sockets)
        .files(both - sockets)
        .connections(fitted.connections)
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_FILES, DEFAULT_SOCKETS, yielding};
    use euryale_server::DescriptorShares;

    #[test]
    fn default_yields_to_a_number_that_was_set() {
        let cases = [
            // Both are defaults, or both are set.
            ((DEFAULT_SOCKETS, DEFAULT_FILES), (500, 500), (500, 500)),
            ((800, 900), (500, 500), (500, 500)),
            // One is set.
            ((600, DEFAULT_FILES), (500, 500), (600, 400)),
            ((5000, DEFAULT_FILES), (500, 500), (750, 250)),
            ((DEFAULT_SOCKETS, 700), (500, 500), (300, 700)),
            ((DEFAULT_SOCKETS, 100), (900, 100), (900, 100)),
            ((100, DEFAULT_FILES), (100, 900), (100, 900)),
        ];
        let shares = |(sockets, files)| DescriptorShares::new(sockets).files(files).connections(2);
        for (wanted, fitted, expected) in cases {
            assert_eq!(
                yielding(shares(wanted), shares(fitted)),
                shares(expected),
                "{wanted:?}"
            );
        }
    }
}
