//! Diazo themes: rules put the content of a page into a designer's HTML.
//!
//! [`ThemeTransform`] has the order 8850 in the chain of transforms. It runs after the transaction
//! and holds no worker and no connection. The engine is the crate [`euryale_diazo`], a plain
//! library that needs no stack. Its documentation lists the rules and the differences from Diazo.
//!
//! It replaces, from Zope: Diazo and `plone.app.theming`.
//!
//! # A program's theme
//!
//! [`LiveTheme`] keeps a theme and follows its files. [`ThemeTransform`] applies its current state
//! to each page, on the CPU threads of the chain:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use euryale_theme::{LiveTheme, Loader, ThemeTransform};
//! use euryale_transform::TransformChainLayer;
//!
//! # fn main() -> std::io::Result<()> {
//! let loader = Loader::new("theme/rules.xml").prefix("/theme");
//! let theme = LiveTheme::new(loader).watch(Duration::from_secs(1))?;
//! let status = theme.clone(); // `status.state().error()` is for the status page
//! let chain = TransformChainLayer::new().transform_page(ThemeTransform::new(theme));
//! # Ok(())
//! # }
//! ```
//!
//! # Themes of pages
//!
//! If an application decides for each page which theme it has, as Plone does, it keeps its themes
//! in a [`ThemeSet`], and puts a [`PageTheme`] into the extensions of its response. Its chain has
//! [`ThemeTransform::of_pages`]. Pages without the extension are not themed.
//!
//! While the files have errors, pages are served unthemed. The log has the reason with file and
//! line.
//!
//! # Cancellation
//!
//! When the client disconnects, its sub-requests for documents are cancelled. A page that is being
//! themed is finished on its thread and then dropped.
//!
//! # Backpressure
//!
//! The number of pages that are themed at a time is limited by the chain's threads. Sub-requests
//! take ordinary places in the queue, at most eight for a page at a time.
//!
//! # Errors
//!
//! [`LoadError`] names file and line; pages are served unthemed until the files are corrected. A
//! page that exceeds a limit of the engine ([`PageError`](euryale_diazo::PageError)) is served
//! unthemed, and the log says which. If a document that rules take content from is missing or late,
//! it counts as empty. It is logged and counted (`euryale_theme_documents_total`), and the page may
//! not be stored by caches.
//!
//! # Panics
//!
//! The theme has no panics of its own; a panic in the chain is a failed transform.

#![forbid(unsafe_code)]

mod book;
mod documents;
mod live;
mod page;
mod set;
mod transform;
mod watch;

pub use euryale_diazo::{Context, LoadError, Loader, Parameter, Theme};

pub use self::book::DocumentBook;
pub use self::live::{LiveTheme, ThemeState};
pub use self::page::PageTheme;
pub use self::set::ThemeSet;
pub use self::transform::{ThemeParameters, ThemeTransform, request_context};
