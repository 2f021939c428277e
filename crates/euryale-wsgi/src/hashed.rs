//! Names of static files that name their content.

/// Returns whether a file's name has a hash of its content before its ending, as Django's
/// `ManifestStaticFilesStorage` writes it: 12 hexadecimal digits of MD5, as in
/// `base.1f418065fc2c.css`. Such a file never changes, so caches may keep it.
///
/// A name without a letter or without a digit among them is not one: it may be a date or a word.
///
/// ```
/// use euryale_wsgi::has_hash;
///
/// assert!(has_hash("/static/admin/base.1f418065fc2c.css"));
/// assert!(!has_hash("/static/photo.202612021530.jpg"));
/// ```
#[must_use]
pub fn has_hash(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut parts = name.rsplit('.').skip(1);
    let Some(hash) = parts.next() else {
        return false;
    };
    let is_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    parts.next().is_some_and(|stem| !stem.is_empty())
        && hash.len() == 12
        && hash.bytes().all(is_hexadecimal)
        && hash.bytes().any(|byte| byte.is_ascii_digit())
        && hash.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::has_hash;

    #[test]
    fn only_a_name_with_a_hash_before_its_ending_has_one() {
        for name in [
            "a.1f418065fc2c.css",
            "a.min.1f418065fc2c.js",
            "/x/a.00000000000a.b",
        ] {
            assert!(has_hash(name), "{name}");
        }
        for name in [
            "",
            "a.css",
            "1f418065fc2c.css",
            ".1f418065fc2c.css",
            "a.1f418065fc2c",
            "a.1f418065fc2.css",
            "a.1F418065FC2C.css",
            "a.1f418065fc2g.css",
            "a.202612021530.css",
            "a.deadbeefdead.css",
            "a.1f418065fc2c.d/b.css",
        ] {
            assert!(!has_hash(name), "{name}");
        }
    }
}
