//! A small content site: documents in SQLite, published through Euryale's stack.
//!
//! `main` has what every program needs (settings, errors in one line, an orderly exit), [`app`] is
//! the site, [`serve`] puts the two together, and [`import`] fills it. See the README for what to
//! try.

#![forbid(unsafe_code)]

mod access_log;
mod address;
mod app;
mod archive;
mod aside;
mod certificates;
mod check;
mod chord;
mod compress;
mod conditions;
mod config;
mod content;
mod counter;
mod cross_site;
mod data;
mod date;
mod deferred;
mod descriptors;
mod documents;
mod duration;
mod echo;
mod edge;
mod edit;
mod effects;
mod error;
mod export;
mod feed;
mod files;
mod fingerprint;
mod form;
mod guide;
mod healthcheck;
mod help;
mod import;
mod lanes;
mod listen;
mod listeners;
mod live;
mod log;
mod markdown;
mod media;
mod methods;
mod missing;
mod name;
mod notice;
mod options;
mod owner;
mod page;
mod permits;
mod picture;
mod promises;
mod public;
mod query;
mod reader;
mod refusal;
mod reload;
mod remove;
mod request_id;
mod route;
mod say;
mod scale;
mod search;
mod serve;
mod settings;
mod signals;
mod size;
mod slow;
mod standing;
mod storage;
mod store;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod tiles;
mod variables;
mod visitor;
mod watch;

use std::process::ExitCode;

use self::config::ConfigError;
use self::error::StartError;
use self::settings::{Settings, Task};
use self::signals::UserSignals;

/// 0 after a clean drain or a whole import, 3 when something was cut, 4 when an import left
/// something out, 1 when the program could not start or go on, 2 for wrong flags and variables
/// (clap's).
fn main() -> ExitCode {
    let signals = match UserSignals::catch() {
        Ok(signals) => signals,
        Err(error) => return failed(&error),
    };
    let ended = match config::read(std::env::args_os()) {
        Ok(settings) => run(&settings, signals),
        Err(error) => match (config::faults(std::env::args_os()), error) {
            (Some((settings, faults)), _) => check::run(&settings, faults),
            (None, ConfigError::Flags(error)) => error.exit(),
            (None, ConfigError::File(error)) => Err(error),
        },
    };
    match ended {
        Ok(code) => code,
        Err(error) => failed(&error),
    }
}

fn failed(error: &StartError) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}

fn run(settings: &Settings, signals: UserSignals) -> Result<ExitCode, StartError> {
    match &settings.task {
        _ if settings.print_config => {
            for warning in variables::unknown() {
                eprintln!("warning: {warning}");
            }
            say::say(&settings.to_toml()?);
            Ok(ExitCode::SUCCESS)
        }
        _ if settings.check_config => check::run(settings, Vec::new()),
        None => serve::run(settings, signals),
        Some(Task::Healthcheck { admin }) => healthcheck::run(admin.unwrap_or(settings.admin)),
        Some(Task::Import { folder }) => import::run(settings, folder, signals),
        Some(Task::Theme { task }) => theme::run(&settings.theme, task),
    }
}
