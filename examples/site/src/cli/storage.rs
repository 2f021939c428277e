//! The settings that say where the data is.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::cli::help;
use crate::store::Place;
use crate::store::data::Location;

#[derive(Args, Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[command(next_help_heading = help::CONTENT)]
pub(crate) struct Storage {
    /// Folder of the files, and of SQLite's database; created if missing, with sample pages if it
    /// is to be served
    #[arg(
        long,
        global = true,
        env = "EURYALE_DATA",
        value_name = "FOLDER",
        default_value = "./site-data"
    )]
    pub(crate) data: PathBuf,

    /// Database: sqlite:FOLDER, or postgres://USER@HOST/NAME as for psql; default: SQLite in --data
    ///
    /// Settings are printed as they are, so the password should be in PGPASSFILE.
    #[arg(long, global = true, env = "EURYALE_DATABASE", value_name = "DATABASE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<Place>,
}

impl Storage {
    pub(crate) fn location(&self) -> Location {
        let here = Location::from(&self.data);
        Location {
            database: self.database.clone().unwrap_or(here.database),
            folder: here.folder,
        }
    }
}
