//! Finds users and groups by name.

use std::io;

/// The ids of `USER`, `USER:GROUP` or `:GROUP`, each a name or a number. Names are looked up in the
/// files that all systems have; users of a directory service need a number.
pub(crate) fn ids(owner: &str) -> io::Result<(Option<u32>, Option<u32>)> {
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    Ok((id(user, "/etc/passwd")?, id(group, "/etc/group")?))
}

/// passwd(5) and group(5): in both the name is first, and the id third.
fn id(name: &str, file: &str) -> io::Result<Option<u32>> {
    if name.is_empty() {
        return Ok(None);
    }
    if let Ok(id) = name.parse() {
        return Ok(Some(id));
    }
    let lines = std::fs::read_to_string(file)?;
    let line = lines
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let id = line.and_then(|line| line.split(':').nth(1)?.parse().ok());
    id.map(Some)
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{file} knows no {name}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found() {
        assert_eq!(ids("root").unwrap(), (Some(0), None));
        assert_eq!(ids(":root").unwrap(), (None, Some(0)));
        assert_eq!(ids("root:7").unwrap(), (Some(0), Some(7)));
        assert_eq!(ids("7:root").unwrap(), (Some(7), Some(0)));
        for owner in ["nobody-of-that-name", ":nobody-of-that-name", "roo"] {
            let error = ids(owner).unwrap_err().to_string();
            assert!(
                error.starts_with("/etc/") && error.contains(" knows no "),
                "{error}"
            );
        }
    }
}
