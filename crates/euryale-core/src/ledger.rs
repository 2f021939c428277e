//! Counters that are always on, one set per stack: they show whether every resource was returned.
//!
//! A [`Ledger`] is a handle to one set of books; clones share it. Core's own counters are in a
//! [`Books`]. Every other crate declares its [`Book`] beside the code that counts, and gets it
//! once, by [`Ledger::of`], where a layer is built. Every layer takes a ledger (`.ledger(…)`), and
//! has one of its own by default. A ledger is read in the process, by tests and health checks, and
//! exported as Prometheus text.
//!
//! ```
//! use euryale_core::Ledger;
//!
//! let ledger = Ledger::new();
//! ledger.transactions.begun.add(1);
//! assert_eq!(ledger.unsettled(), ["transactions: begun 1, ended 0"]);
//! ledger.transactions.committed.add(1);
//! assert!(ledger.unsettled().is_empty());
//! ```

mod book;
mod books;
mod conflicts;
mod figures;
mod lanes;
mod meter;
mod per_route;
mod stops;
#[cfg(test)]
mod tests;
mod text;
mod threads;

use std::any::Any;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, RwLock};

pub use self::book::{Book, Unsettled};
pub use self::books::{Blobs, Books, EarlyFigures, InUse, Snapshots, Tasks, Transactions};
pub use self::conflicts::ConflictBook;
pub use self::figures::{Family, Figures, Kind, Value};
pub use self::lanes::{LaneMeter, Lanes};
pub use self::meter::{Counter, Distribution, Gauge, GaugeGuard, Histogram};
pub use self::per_route::PerRoute;
pub use self::stops::Stops;
pub use self::threads::{ThreadBound, Threads};

/// A handle to one set of books. It is never a static, because one process may have several stacks,
/// or several tests.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    shared: Arc<Registry>,
}

#[derive(Debug, Default)]
struct Registry {
    own: Books,
    others: RwLock<Vec<Arc<dyn Book>>>,
}

impl Ledger {
    /// Creates an empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the book of this type, and adds it to the ledger if it is new. Its figures are part
    /// of the exposition from then on, at first as zeros.
    ///
    /// Takes a lock, so a layer calls this once, when it is built, and keeps the handle.
    ///
    /// ```
    /// use euryale_core::Ledger;
    /// use euryale_core::ledger::{Book, Counter, Figures};
    ///
    /// #[derive(Debug, Default)]
    /// struct MailBook {
    ///     sent: Counter,
    /// }
    ///
    /// impl Book for MailBook {
    ///     fn figures(&self, figures: &mut Figures) {
    ///         figures.counter("mail_sent_total", "Mails sent.", &self.sent);
    ///     }
    /// }
    ///
    /// let ledger = Ledger::new();
    /// let book = ledger.of::<MailBook>();
    /// book.sent.add(2);
    /// assert_eq!(ledger.of::<MailBook>().sent.get(), 2);
    /// assert!(ledger.exposition().contains("\nmail_sent_total 2\n"));
    /// ```
    #[must_use]
    pub fn of<B: Book + Default>(&self) -> Arc<B> {
        let found = find(
            &self
                .shared
                .others
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        );
        if let Some(book) = found {
            return book;
        }
        let mut others = self
            .shared
            .others
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Another thread may have added it between the two locks.
        find(&others).unwrap_or_else(|| {
            let book = Arc::new(B::default());
            others.push(Arc::clone(&book) as Arc<dyn Book>);
            book
        })
    }

    /// Returns a line for each resource that is still held. The list is empty if the ledger is
    /// quiet: nothing is held, and every transaction that has begun was committed, aborted or left
    /// in doubt.
    pub fn unsettled(&self) -> Vec<String> {
        let mut unsettled = Unsettled::default();
        self.each(|book| book.unsettled(&mut unsettled));
        unsettled.into_lines()
    }

    /// Returns the current figures of all books.
    pub fn figures(&self) -> Figures {
        let mut figures = Figures::default();
        self.each(|book| book.figures(&mut figures));
        figures
    }

    /// Returns all figures in Prometheus text format 0.0.4, in the order of their names.
    pub fn exposition(&self) -> String {
        text::write(&self.figures())
    }

    fn each(&self, mut f: impl FnMut(&dyn Book)) {
        // Books of other crates are read without the lock, because their code may do anything.
        let others = self
            .shared
            .others
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        f(&self.shared.own);
        others.iter().for_each(|book| f(&**book));
    }
}

fn find<B: Book>(books: &[Arc<dyn Book>]) -> Option<Arc<B>> {
    let book = books.iter().find(|book| {
        let book: &dyn Any = &***book;
        book.is::<B>()
    })?;
    let book: Arc<dyn Any + Send + Sync> = Arc::<dyn Book>::clone(book);
    book.downcast().ok()
}

impl Deref for Ledger {
    type Target = Books;

    fn deref(&self) -> &Books {
        &self.shared.own
    }
}
