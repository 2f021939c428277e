//! A number that identifies the input of a theme.

use std::fmt;

/// FNV-1a over texts and their lengths, which is the same in every process and every build with any
/// compiler. It distinguishes versions of a theme, but does not protect against deliberate
/// collisions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Version(u64);

impl Default for Version {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Version {
    pub(crate) fn add(&mut self, text: &str) {
        let length = (text.len() as u64).to_le_bytes();
        for byte in length.into_iter().chain(text.bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    /// The tags of pages that browsers have cached depend on this value.
    #[test]
    fn the_version_of_the_same_theme_never_changes() {
        let mut version = Version::default();
        assert_eq!(version.to_string(), "cbf29ce484222325");
        version.add("a");
        assert_eq!(version.to_string(), "529a4ddc8ff56bbf");
    }
}
