//! A small content site: documents in SQLite or PostgreSQL, published through Euryale's stack.
//!
//! [`cli`] has the settings and the tasks, [`serve`] is the running program, [`pages`] answers
//! requests, [`store`] is the data, and [`demo`] has the demonstrations. See the README for what to
//! try.

#![forbid(unsafe_code)]

mod cli;
mod demo;
mod pages;
mod serve;
mod store;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use euryale_server::supervise;

use self::cli::config::{self, ConfigError};
use self::cli::error::StartError;
use self::cli::settings::Settings;
use self::cli::task::Task;
use self::cli::{check, ctl, healthcheck, import, migrate, output, variables};
use self::pages::theme;
use self::serve::signals::UserSignals;

/// 0 after a clean drain or a complete import, 3 if requests were cut, 4 if an import omitted
/// something, 1 if the program could not start or continue, 2 for wrong flags and variables
/// (clap's).
fn main() -> ExitCode {
    if let Err(error) = supervise::first_step() {
        return failed(&StartError::of_system("execute the program", &error));
    }
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
            output::print(&settings.to_toml()?);
            Ok(ExitCode::SUCCESS)
        }
        _ if settings.check_config => check::run(settings, Vec::new()),
        None => serve::run(settings, signals),
        Some(Task::Healthcheck { admin }) => healthcheck::run(admin.unwrap_or(settings.admin)),
        Some(Task::Ctl { console, words }) => {
            let console = console.as_deref().or(settings.console.as_deref());
            ctl::run(console, words)
        }
        Some(Task::Import { folder }) => import::run(settings, folder, signals),
        Some(Task::Migrate) => migrate::run(settings),
        Some(Task::Theme { task }) => theme::run(&settings.theme, task),
    }
}
