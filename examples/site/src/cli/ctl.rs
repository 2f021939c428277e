//! `site ctl`: sends a command to the site that runs with the same settings.

use std::path::Path;
use std::process::ExitCode;

use euryale_admin::ctl;

use crate::cli::error::StartError;
use crate::cli::output::print;

/// Sends the command in `words` to a running site, or `help` if there are no words.
pub(crate) fn run(console: Option<&Path>, words: &[String]) -> Result<ExitCode, StartError> {
    let Some(path) = console else {
        return Err(StartError::new(
            "no socket for commands is set",
            "--console",
            "start the site with --console PATH, and name the same path here",
        ));
    };
    match ctl(path, words) {
        Ok(Ok(text)) => {
            print(&text);
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(error)) => {
            eprintln!("error: {}", error.trim_end());
            Ok(ExitCode::FAILURE)
        }
        Err(error) => {
            let what = format!("the site cannot be reached: {error}");
            let remedy = "start it with --console, or name its socket";
            Err(StartError::new(what, path.display(), remedy))
        }
    }
}
