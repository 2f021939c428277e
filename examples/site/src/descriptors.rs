//! How the process's descriptors are shared.

use euryale_server::{DescriptorLimit, DescriptorShares};

use crate::error::StartError;
use crate::settings::Settings;

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

/// The same settings, with no more sockets, files and connections than there are descriptors for.
pub(crate) fn fit(limit: &DescriptorLimit, settings: &Settings) -> Settings {
    let shares = limit.fit(wanted(settings));
    let mut fitted = settings.clone();
    fitted.edge.max_sockets = shares.sockets;
    fitted.edge.max_files = shares.files;
    fitted.connections = shares.connections;
    fitted
}

/// Logs a warning if there are fewer descriptors than the settings ask for.
pub(crate) fn warn_of_shortage(limit: &DescriptorLimit, settings: &Settings) {
    let wanted = wanted(settings);
    let shares = limit.fit(wanted);
    if shares != wanted {
        tracing::warn!("{}", limit.shortage(wanted, shares));
    }
}

fn wanted(settings: &Settings) -> DescriptorShares {
    DescriptorShares::new(settings.edge.max_sockets)
        .files(settings.edge.max_files)
        .connections(settings.connections)
}
