//! The site as a service: listeners, the layers around the pages, logs, reloads and the drain.

pub(crate) mod access_log;
pub(crate) mod accounts;
pub(crate) mod app;
pub(crate) mod certificates;
mod compress;
pub(crate) mod console;
mod cross_site;
mod descriptors;
mod detached;
mod drain;
pub(crate) mod health;
pub(crate) mod lanes;
pub(crate) mod listeners;
mod live;
pub(crate) mod log;
pub(crate) mod operators;
mod options;
mod parent;
pub(crate) mod permits;
pub(crate) mod public;
mod reload;
mod request_id;
mod route;
mod run;
pub(crate) mod signals;
pub(crate) mod storage;
mod watch;

use std::time::Duration;

pub(crate) use self::run::run;

/// The exit code when requests had to be cut at the end of the drain.
const CUT: u8 = 3;

/// The time to wait for threads that still run after the drain.
const LAST_GRACE: Duration = Duration::from_millis(250);

/// The target of the lines in the log about the start and the end of the program.
const LOG: &str = "site::serve";
