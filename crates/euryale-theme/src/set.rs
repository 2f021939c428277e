//! Themes that pages choose.

use std::fmt;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use euryale_diazo::Loader;

use crate::live::LiveTheme;
use crate::watch::watch;

/// The themes of an application whose pages have different ones, by a key that the application
/// chooses. Clones share the themes.
///
/// A page of such an application has a [`PageTheme`](crate::PageTheme) in the extensions of its
/// response, which [`ThemeTransform::of_pages`](crate::ThemeTransform::of_pages) obeys.
#[derive(Clone)]
pub struct ThemeSet {
    shared: Arc<Shared>,
}

struct Shared {
    most: usize,
    /// The least recently used theme is first.
    themes: Mutex<Vec<(String, LiveTheme)>>,
    /// Locked while a theme is read, so that each is read once.
    reading: Mutex<()>,
    watcher: Mutex<Option<Sender<()>>>,
}

impl ThemeSet {
    /// Creates an empty set. It keeps at most this many themes (at least 1), those that were used
    /// last. A compiled theme takes a few hundred kilobytes.
    pub fn new(most: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                most: most.max(1),
                themes: Mutex::default(),
                reading: Mutex::default(),
                watcher: Mutex::default(),
            }),
        }
    }

    /// Starts a thread that checks the files of all themes at this interval, as
    /// [`LiveTheme::watch`] does for one. It ends with the last clone.
    ///
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub fn watch(self, every: Duration) -> std::io::Result<Self> {
        let sender = watch(&self.shared, every, |shared| {
            let themes = Self { shared };
            for theme in themes.all() {
                theme.reload();
            }
        })?;
        *lock(&self.shared.watcher) = Some(sender);
        Ok(self)
    }

    /// Returns the theme with this key, if the set has it.
    pub fn find(&self, key: &str) -> Option<LiveTheme> {
        let mut themes = lock(&self.shared.themes);
        let at = themes.iter().position(|(known, _)| known == key)?;
        themes[at..].rotate_left(1);
        themes.last().map(|(_, theme)| theme.clone())
    }

    /// Returns the theme with this key, and reads and compiles it first if the set does not have
    /// it. A theme with errors is also kept, until its files change. This reads files, so do not
    /// call it on a runtime thread.
    pub fn load(&self, key: &str, loader: Loader) -> LiveTheme {
        let _reading = lock(&self.shared.reading);
        if let Some(theme) = self.find(key) {
            return theme;
        }
        let theme = LiveTheme::new(loader);
        let mut themes = lock(&self.shared.themes);
        if themes.len() == self.shared.most {
            themes.remove(0);
        }
        themes.push((key.to_owned(), theme.clone()));
        theme
    }

    /// Returns a text that changes with each of the themes.
    pub(crate) fn version(&self) -> String {
        let all = self.all().into_iter().filter_map(|theme| theme.theme());
        let mut versions: Vec<_> = all.map(|theme| theme.version().to_owned()).collect();
        versions.sort_unstable();
        versions.join(" ")
    }

    fn all(&self) -> Vec<LiveTheme> {
        let themes = lock(&self.shared.themes);
        themes.iter().map(|(_, theme)| theme.clone()).collect()
    }
}

impl fmt::Debug for ThemeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThemeSet")
            .field("themes", &lock(&self.shared.themes).len())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
