//! Where the database is, as `--database` names it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use super::engine::FILE;

/// The place of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The folder of SQLite's file.
    Sqlite(PathBuf),
    /// A URL, as libpq reads it.
    #[cfg(feature = "postgres")]
    Postgres(String),
}

impl Place {
    /// The file of SQLite's database.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(folder) => Some(folder.join(FILE)),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
        }
    }

    /// What to do if the files belong to another database.
    pub(super) fn restore(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "restore the site.db that belongs to them, or move the folder away",
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "name the database that belongs to them, or move the folder away",
        }
    }
}

const FORMS: &str = "write sqlite:FOLDER, or postgres://USER@HOST/NAME";

#[cfg(not(feature = "postgres"))]
const BUILD: &str = "this program was built without PostgreSQL; build it with: \
    cargo build --release -p site --features postgres";

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("sqlite", folder)) if !folder.is_empty() => Ok(Self::Sqlite(folder.into())),
            #[cfg(feature = "postgres")]
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(text.to_owned()))
            }
            #[cfg(not(feature = "postgres"))]
            Some(("postgres" | "postgresql", _)) => Err(BUILD),
            _ => Err(FORMS),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn text_of_a_place_is_read_again() {
        let place: Place = "sqlite:/srv/site".parse().unwrap();
        assert_eq!(place, Place::Sqlite("/srv/site".into()));
        assert_eq!(place.to_string(), "sqlite:/srv/site");
        for wrong in ["", "sqlite:", "site.db", "mysql://db/site"] {
            let error = wrong.parse::<Place>().unwrap_err();
            assert!(error.starts_with("write sqlite:FOLDER"), "{wrong}: {error}");
        }
    }

    #[test]
    fn postgresql_is_a_place_if_the_program_was_built_with_it() {
        let read = "postgres://site@db/site".parse::<Place>();
        if cfg!(feature = "postgres") {
            assert_eq!(read.unwrap().to_string(), "postgres://site@db/site");
        } else {
            let error = read.unwrap_err();
            assert!(error.contains("--features postgres"), "{error}");
        }
    }
}
