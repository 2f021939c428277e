//! `site migrate`: brings the database to the newest schema.
//!
//! A deployment that does not let the serving program change tables runs this first, as a role that
//! may.

use std::process::ExitCode;

use crate::cli::error::StartError;
use crate::cli::output::print;
use crate::cli::settings::Settings;
use crate::store::Engine;

pub(crate) fn run(settings: &Settings) -> Result<ExitCode, StartError> {
    let steps = Engine::open(&settings.storage.location().database)?.migrate()?;
    print(&match steps {
        0 => "The database has the newest schema.\n".to_owned(),
        1 => "Applied 1 step of the schema.\n".to_owned(),
        steps => format!("Applied {steps} steps of the schema.\n"),
    });
    Ok(ExitCode::SUCCESS)
}
