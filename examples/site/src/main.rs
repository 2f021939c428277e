//! A small content site: documents in SQLite, published through Euryale's stack.
//!
//! `main` is what a program owes its users (settings, errors in one line, an end that comes), [`app`] is the
//! site, and [`serve`] puts the two together. See the README for what to try.

mod access_log;
mod app;
mod assets;
mod content;
mod counter;
mod documents;
mod duration;
mod error;
mod markdown;
mod page;
mod query;
mod serve;
mod settings;
mod slow;
mod store;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Parser;

use self::settings::Settings;

/// 0 after a clean drain, 3 when its deadline cut something, 1 when the site could not start, 2 for wrong
/// flags (clap's).
fn main() -> ExitCode {
    match serve::run(&Settings::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
