//! The layer.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::Ledger;
use euryale_core::request::Admit;
use euryale_core::threads::BlockingLane;
use http::request::Parts;
use tower_layer::Layer;

#[cfg(feature = "forms")]
use crate::FormLimits;
use crate::settings::{Predicate, Rate, Settings};
use crate::{Spool, SpoolBudget};

/// Reads whole request bodies. See the [crate's documentation](crate).
#[derive(Clone)]
#[must_use]
pub struct SpoolLayer {
    pub(crate) settings: Settings,
}

/// The default number of threads that write. More threads do not make a disk faster.
const WRITERS: usize = 4;

impl SpoolLayer {
    /// Creates a layer with the default limits. Bodies may have 64 MiB; up to 512 KiB are kept in
    /// memory, and larger ones in the system's folder for temporary files. A body may stall for 30
    /// s and must send 15 KiB a minute.
    pub fn new() -> Self {
        Self {
            settings: Settings {
                memory: 512 << 10,
                budget: SpoolBudget::new(),
                limit: 64 << 20,
                limits: Arc::new([]),
                directory: std::env::temp_dir().into(),
                stall: Duration::from_secs(30),
                rate: Rate {
                    bytes: 15 << 10,
                    span: Duration::from_secs(60),
                },
                lane: BlockingLane::new("spool", WRITERS),
                admit: Vec::new(),
                #[cfg(feature = "forms")]
                forms: None,
                book: Arc::default(),
            },
        }
    }

    /// The maximum length of a body that is kept in memory, in bytes. A longer one is written to a
    /// file, and so is a body for which the [budget](Self::budget) has no memory left. Default: 512
    /// KiB, as in Medusa and waitress.
    pub fn memory(mut self, bytes: usize) -> Self {
        self.settings.memory = bytes;
        self
    }

    /// The budget of all bodies together, in memory and in files. Default: a [`SpoolBudget::new`]
    /// of its own, which clones of this layer share.
    ///
    /// A body that is longer than the whole budget is too large (413).
    pub fn budget(mut self, budget: SpoolBudget) -> Self {
        self.settings.budget = budget;
        self
    }

    /// The maximum length of a body, in bytes. A longer one is refused, at once if its length is
    /// announced. Default: 64 MiB.
    pub fn limit(mut self, bytes: u64) -> Self {
        self.settings.limit = bytes;
        self
    }

    /// Sets another limit for requests that match `predicate`. The first match counts.
    pub fn limit_for(
        mut self,
        predicate: impl Fn(&Parts) -> bool + Send + Sync + 'static,
        bytes: u64,
    ) -> Self {
        let added: (Predicate, u64) = (Arc::new(predicate), bytes);
        self.settings.limits = self
            .settings
            .limits
            .iter()
            .cloned()
            .chain([added])
            .collect();
        self
    }

    /// The folder in which files are created. They have no names there and disappear when they are
    /// closed, even after a crash. Default: the system's folder for temporary files, which on some
    /// systems is in memory. For large bodies choose a folder on a disk. For bodies that will be
    /// kept, choose a folder on the file system of their destination.
    pub fn directory(mut self, folder: impl Into<PathBuf>) -> Self {
        self.settings.directory = folder.into().into();
        self
    }

    /// The maximum time without progress of a body. Default: 30 s.
    pub fn stall(mut self, time: Duration) -> Self {
        self.settings.stall = time;
        self
    }

    /// The minimum number of bytes that must arrive in each `span`, unless the body ends earlier.
    /// Default: 15 KiB in 60 s, a tenth of the speed of the slowest mobile networks;
    /// `euryale-server` has the same default.
    pub fn rate(mut self, bytes: u64, span: Duration) -> Self {
        self.settings.rate = Rate { bytes, span };
        self
    }

    /// The maximum number of blocking threads that write bodies into files at a time; at least 1.
    /// Default: 4.
    pub fn writers(mut self, threads: usize) -> Self {
        self.settings.lane = self.settings.lane.resized(threads);
        self
    }

    /// Writes bodies in this lane instead of one of the layer's own. Use it for a lane that is
    /// resized later or shared. Give the layer a [ledger](Self::ledger) afterwards.
    pub fn with_lane(mut self, lane: BlockingLane) -> Self {
        self.settings.lane = lane;
        self
    }

    /// Parses forms while they arrive: a request whose body is a form has a [`Form`](crate::Form)
    /// in its extensions.
    ///
    /// `multipart/form-data` is parsed while it is spooled, so that each of its files is separate,
    /// in memory or in a file of its own, and the request's body is empty. All its parts together
    /// may use the memory of one body. An `application/x-www-form-urlencoded` form remains the
    /// request's body, and is parsed when it is complete. Default: forms are treated like any other
    /// body.
    #[cfg(feature = "forms")]
    #[cfg_attr(docsrs, doc(cfg(feature = "forms")))]
    pub fn forms(mut self, limits: FormLimits) -> Self {
        self.settings.forms = Some(limits);
        self
    }

    /// Adds an `Admit`, which is asked before the first byte of a body is read, after those that
    /// were added earlier. Default: none.
    pub fn admit(mut self, admit: impl Admit) -> Self {
        self.settings.admit.push(Arc::new(admit));
        self
    }

    /// Counts in this ledger. Default: one of its own.
    pub fn ledger(mut self, ledger: Ledger) -> Self {
        self.settings.book = ledger.of();
        self.settings.lane = self.settings.lane.ledger(ledger);
        self
    }
}

impl Default for SpoolLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for SpoolLayer {
    type Service = Spool<S>;

    fn layer(&self, inner: S) -> Spool<S> {
        Spool {
            inner,
            settings: Arc::new(self.settings.clone()),
        }
    }
}

impl fmt::Debug for SpoolLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpoolLayer")
            .field("memory", &self.settings.memory)
            .field("budget", &self.settings.budget)
            .field("limit", &self.settings.limit)
            .field("directory", &self.settings.directory)
            .field("stall", &self.settings.stall)
            .finish_non_exhaustive()
    }
}
