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

pub(crate) use self::run::run;

/// The target of the lines in the log about the start and the end of the program.
const LOG: &str = "site::serve";
