//! Permissions that the operator gives: writing, and the demonstrations.

use clap::{ArgAction, Args};
use serde::Serialize;

use crate::cli::help;

#[derive(Args, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = help::PERMISSIONS)]
pub(crate) struct Permissions {
    /// Let everybody who reaches the site create, change and delete pages and files; default: only
    /// where the site is local
    #[arg(long, env = "EURYALE_ALLOW_WRITES", value_name = "BOOLEAN")]
    #[arg(num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", action = ArgAction::Set)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allow_writes: Option<bool>,

    /// Serve the demonstrations, such as /@@slow and /@@counter, some of which keep workers busy;
    /// default: only where the site is local
    #[arg(long, env = "EURYALE_DEMO", value_name = "BOOLEAN")]
    #[arg(num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", action = ArgAction::Set)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) demo: Option<bool>,
}
