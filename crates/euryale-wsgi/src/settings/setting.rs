//! One setting.

use super::meaning::Meaning;

/// A setting: its name, its alias, and its meaning.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Setting {
    /// The name, with underscores.
    pub key: &'static str,
    /// The name of the same setting in another server, or in the site.
    pub alias: Option<&'static str>,
    /// One line for `--help`.
    pub help: &'static str,
    pub(crate) meaning: Meaning,
}

impl Setting {
    pub(crate) fn is_called(&self, key: &str) -> bool {
        self.key == key || self.alias == Some(key)
    }

    /// Returns whether a value has an effect in this server. The other settings are waitress's and
    /// are accepted so that an ini file need not change. Some of them have no effect, and switches
    /// can only have the value that this server always uses.
    pub fn is_used(&self) -> bool {
        !matches!(self.meaning, Meaning::Unused | Meaning::Always(_))
    }

    /// Returns whether the value is a list, so that a command line may repeat the setting.
    pub fn is_list(&self) -> bool {
        self.meaning.is_list()
    }

    /// Returns whether the value is `on` or `off`, so that a command line may leave out `on`.
    pub fn is_switch(&self) -> bool {
        self.meaning.is_switch()
    }
}

pub(crate) const fn setting(
    key: &'static str,
    alias: Option<&'static str>,
    meaning: Meaning,
    help: &'static str,
) -> Setting {
    Setting {
        key,
        alias,
        help,
        meaning,
    }
}

pub(crate) const fn unused(key: &'static str) -> Setting {
    setting(
        key,
        None,
        Meaning::Unused,
        "accepted for waitress's sake, no effect",
    )
}
