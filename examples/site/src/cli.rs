//! The command line: settings and their checks, the tasks other than serving, and messages.

pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod ctl;
pub(crate) mod duration;
pub(crate) mod edge;
pub(crate) mod effects;
pub(crate) mod error;
pub(crate) mod healthcheck;
pub(crate) mod help;
pub(crate) mod import;
pub(crate) mod listen;
pub(crate) mod migrate;
pub(crate) mod output;
pub(crate) mod permissions;
pub(crate) mod serialize;
pub(crate) mod settings;
pub(crate) mod size;
pub(crate) mod storage;
pub(crate) mod task;
pub(crate) mod variables;
