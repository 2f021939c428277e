//! SIGHUP: settings and certificates are read anew, and nothing is dropped.

use euryale::Pool;
use euryale_server::Tls;
use euryale_sqlite::Sqlite;
use tokio::signal::unix::{SignalKind, signal};

use crate::certificates;
use crate::config::{self, ConfigError};
use crate::error::StartError;
use crate::settings::Settings;

/// Waits for signals, for ever. What is wrong is said, and leaves everything as it was.
pub(crate) async fn on_signal(settings: &Settings, pool: &Pool<Sqlite>, tls: Option<&Tls>) {
    let mut hangups = match signal(SignalKind::hangup()) {
        Ok(hangups) => hangups,
        Err(error) => {
            tracing::warn!(%error, "SIGHUP will end the site: it cannot be handled");
            return std::future::pending().await;
        }
    };
    let mut current = settings.clone();
    while hangups.recv().await.is_some() {
        match reload(&current, pool, tls) {
            Ok(new) => current = new,
            Err(error) => tracing::error!("not reloaded, and nothing is changed: {error}"),
        }
    }
}

/// All or nothing. A few small files are read, seldom: that is no work for a lane.
fn reload(current: &Settings, pool: &Pool<Sqlite>, tls: Option<&Tls>) -> Result<Settings, StartError> {
    let new = config::read(std::env::args_os()).map_err(|error| match error {
        ConfigError::File(error) => error,
        ConfigError::Flags(error) => StartError::new(error, "this process", "see site --help"),
    })?;
    let certificates = certificates::read(&new.edge)?;
    if let (Some(tls), Some(certificates)) = (tls, certificates) {
        tls.replace(certificates);
    }
    pool.resize(new.connections);
    let known = Settings { connections: new.connections, ..current.clone() };
    if known != new {
        tracing::warn!("of the new settings only the connections count before a restart");
    }
    tracing::info!(connections = new.connections, "reloaded");
    Ok(known)
}
