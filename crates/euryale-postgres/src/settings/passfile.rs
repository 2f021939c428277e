//! The password file (<https://www.postgresql.org/docs/15/libpq-pgpass.html>).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Host, Place, SOCKET_FOLDERS};

/// The lines of a password file.
#[derive(Clone, Default)]
pub(crate) struct Passwords(Vec<[String; 5]>);

impl Passwords {
    /// Reads a file. A missing file means that there are no passwords. A file that others can read
    /// is ignored with a warning, as in libpq.
    pub(crate) fn read(file: &Path) -> Self {
        let Ok(metadata) = std::fs::metadata(file) else {
            return Self::default();
        };
        if !metadata.is_file() {
            tracing::warn!(file = %file.display(), "the password file is not a plain file");
            return Self::default();
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            tracing::warn!(
                file = %file.display(),
                "the password file is ignored because others have access to it: chmod 0600"
            );
            return Self::default();
        }
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "the password file is not readable");
                Self::default()
            }
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(fields).collect())
    }

    /// Returns the password of the first matching line.
    pub(crate) fn find(&self, host: &Host, database: &str, user: &str) -> Option<&str> {
        let port = host.port.to_string();
        let folder;
        let name = match &host.place {
            Place::Folder(path) if SOCKET_FOLDERS.iter().any(|known| Path::new(known) == path) => {
                "localhost"
            }
            Place::Folder(path) => {
                folder = path.to_string_lossy();
                &folder
            }
            Place::Name(name, _) => name,
        };
        let wanted = [name, &port, database, user];
        let fits = |line: &&[String; 5]| {
            let mut pairs = line.iter().zip(wanted);
            pairs.all(|(found, wanted)| found == "*" || found == wanted)
        };
        let line = self.0.iter().find(fits)?;
        Some(&line[4])
    }
}

/// Splits `host:port:database:user:password`, with `\` before colons and backslashes.
fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields: [String; 5] = Default::default();
    let mut index = 0;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => fields[index].extend(characters.next()),
            // A password may contain colons.
            ':' if index < 4 => index += 1,
            other => fields[index].push(other),
        }
    }
    (index == 4).then_some(fields)
}
