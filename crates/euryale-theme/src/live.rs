//! A theme that is read again when its files change.

use std::fmt;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use euryale_diazo::{LoadError, Loader, Stamp, Theme};

use crate::watch::watch;

/// A theme that is reloaded when its files change. Clones share the theme.
///
/// The theme is compiled by [`new`](Self::new), and again whenever [`reload`](Self::reload) finds
/// that files have changed. `reload` is called by your program, for example on a signal, or by the
/// thread that [`watch`](Self::watch) starts. Requests never wait for it: they get the theme that
/// is current when they arrive.
///
/// While the files have errors there is no theme, and pages are served unthemed. The error is
/// logged once, and [`state`](Self::state) returns it until the files are corrected.
#[derive(Clone)]
pub struct LiveTheme {
    shared: Arc<Shared>,
}

struct Shared {
    /// `None` for a theme that has no files.
    loader: Option<Loader>,
    current: RwLock<Arc<ThemeState>>,
    /// Locked while files are read, so that only one thread reads at a time and the last result
    /// counts.
    stamps: Mutex<Vec<Stamp>>,
    watcher: Mutex<Option<Sender<()>>>,
}

/// The state of a theme, for a status page.
#[derive(Debug)]
pub struct ThemeState {
    theme: Option<Arc<Theme>>,
    error: Option<LoadError>,
    read: SystemTime,
}

impl ThemeState {
    /// Returns the theme, or `None` if its files have errors.
    pub fn theme(&self) -> Option<&Arc<Theme>> {
        self.theme.as_ref()
    }

    /// Returns the error in the theme's files.
    pub fn error(&self) -> Option<&LoadError> {
        self.error.as_ref()
    }

    /// Returns the time at which the files were read.
    pub fn read(&self) -> SystemTime {
        self.read
    }
}

impl LiveTheme {
    /// Reads and compiles the theme. If that fails, the error is logged, and there is no theme
    /// until the files change. This reads files, so do not call it on a runtime thread.
    pub fn new(loader: Loader) -> Self {
        let (state, stamps) = read(&loader);
        Self {
            shared: Arc::new(Shared {
                loader: Some(loader),
                current: RwLock::new(Arc::new(state)),
                stamps: Mutex::new(stamps),
                watcher: Mutex::new(None),
            }),
        }
    }

    /// Wraps a theme that is already compiled, such as one that is part of the program. It never
    /// changes, and [`reload`](Self::reload) always returns `false`.
    pub fn fixed(theme: Theme) -> Self {
        let state = ThemeState {
            theme: Some(Arc::new(theme)),
            error: None,
            read: SystemTime::now(),
        };
        Self {
            shared: Arc::new(Shared {
                loader: None,
                current: RwLock::new(Arc::new(state)),
                stamps: Mutex::default(),
                watcher: Mutex::new(None),
            }),
        }
    }

    /// Starts a thread that checks the files at this interval and ends with the last clone. One
    /// second is short enough for a theme's author; each check costs one `stat` per file.
    ///
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub fn watch(self, every: Duration) -> std::io::Result<Self> {
        let sender = watch(&self.shared, every, |shared| {
            Self { shared }.reload();
        })?;
        *self
            .shared
            .watcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(sender);
        Ok(self)
    }

    /// Reads and compiles the theme again if one of its files has changed, and returns whether one
    /// had. This reads files, so do not call it on a runtime thread.
    pub fn reload(&self) -> bool {
        let Some(loader) = &self.shared.loader else {
            return false;
        };
        let mut stamps = self
            .shared
            .stamps
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !stamps.is_empty() && stamps.iter().all(Stamp::still_holds) {
            return false;
        }
        let (state, new) = read(loader);
        *stamps = new;
        *self
            .shared
            .current
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        true
    }

    /// Returns the current state.
    pub fn state(&self) -> Arc<ThemeState> {
        Arc::clone(
            &self
                .shared
                .current
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Returns the current theme, or `None` if its files have errors.
    pub fn theme(&self) -> Option<Arc<Theme>> {
        self.state().theme.clone()
    }
}

impl fmt::Debug for LiveTheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveTheme")
            .field("rules", &self.shared.loader.as_ref().map(Loader::rules))
            .finish_non_exhaustive()
    }
}

fn read(loader: &Loader) -> (ThemeState, Vec<Stamp>) {
    let rules = loader.rules().display();
    let now = SystemTime::now();
    let (loaded, stamps) = loader.load_with_stamps();
    let (theme, error) = match loaded {
        Ok(theme) => {
            for warning in theme.warnings() {
                tracing::warn!(%warning, "a theme has a likely mistake");
            }
            tracing::info!(%rules, files = theme.files().len(), "theme compiled");
            (Some(Arc::new(theme)), None)
        }
        Err(error) => {
            tracing::error!(%error, "no theme: pages are served as they are until its files are \
                mended");
            (None, Some(error))
        }
    };
    (
        ThemeState {
            theme,
            error,
            read: now,
        },
        stamps,
    )
}
