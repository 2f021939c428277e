//! Themes as in Diazo: rules put the content of a page into a designer's HTML.
//!
//! A [`Theme`] is compiled once, from rules files and the HTML that they name, and then themes any
//! number of pages: HTML in, HTML out, about 0.12 ms for one of 60 KB and nine rules, 50 times as
//! fast as Diazo with lxml (`cargo run --release -p euryale-bench -- theme`). It is a library that
//! needs no stack; [`ThemeTransform`] is its place in one: order 8850 in the chain of transforms,
//! after the transaction. No worker and no connection are held.
//!
//! ```
//! use euryale_theme::{Context, Loader};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("index.html"), r#"
//!     <!DOCTYPE html>
//!     <title>Design</title><link rel="stylesheet" href="style.css">
//!     <main id="main">Lorem ipsum</main>"#)?;
//! std::fs::write(folder.path().join("rules.xml"), r##"
//!     <rules xmlns="http://namespaces.plone.org/diazo"
//!            xmlns:css="http://namespaces.plone.org/diazo/css">
//!       <notheme if-path="/raw"/>
//!       <theme href="index.html"/>
//!       <replace css:theme="title" css:content="title"/>
//!       <replace css:theme-children="#main" css:content-children="body"/>
//!       <drop css:content=".edit" if-not="$role = 'editor'"/>
//!     </rules>"##)?;
//!
//! let theme = Loader::new(folder.path().join("rules.xml")).prefix("/theme").load()?;
//! let page = "<title>News</title><body><a class=edit>Edit</a><p>Today</p></body>";
//! let themed = theme.apply(page, &Context::new("/news").parameter("role", "reader"))?;
//! assert!(themed.contains("<title>News</title>"));
//! assert!(themed.contains(r#"href="/theme/style.css""#));
//! assert!(themed.contains(r#"<main id="main"><p>Today</p></main>"#));
//! assert!(theme.apply(page, &Context::new("/raw"))?.contains("<body><p>Today</p></body>"));
//! # Ok(())
//! # }
//! ```
//!
//! It replaces, from Zope: Diazo and `plone.app.theming`. The module [`diazo`] says which rules
//! there are, and what differs.
//!
//! # A program's theme
//!
//! [`LiveTheme`] keeps a theme and follows its files. [`ThemeTransform`] asks it for each page, and
//! themes the page on the chain's threads for the CPU:
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
//! While the files are wrong, pages are served unthemed. The log says why, with file and line.
//!
//! # Cancellation
//!
//! A page that is being themed is finished on its thread when the client goes away, and dropped;
//! sub-requests for documents are cancelled.
//!
//! # Backpressure
//!
//! As many pages are themed at a time as the chain has threads. Sub-requests take ordinary places
//! in the queue, eight of a page at a time.
//!
//! # Errors
//!
//! [`LoadError`] names file and line. [`PageError`] is one of the bounds: 512 elements in each
//! other, two million nodes, 20 million looks at a node, 64 MiB of themed page. HTML is never
//! refused for being wrong. Rules files of up to 8 MiB are read; entities that multiply, files that
//! include themselves, nests and expressions without end are errors. A document that rules take
//! content from and that is not there, or not in time, is empty: it is logged, counted
//! (`euryale_theme_documents_total`), and the page is not stored.
//!
//! # Panics
//!
//! None of its own; a panic in the chain is a failed transform.

#![forbid(unsafe_code)]

mod apply;
mod compile;
mod context;
pub mod diazo;
mod documents;
mod dom;
mod error;
mod live;
mod rules;
mod stamp;
mod theme;
mod transform;
mod xpath;

pub use self::context::{Context, Parameter};
pub use self::error::{LoadError, PageError};
pub use self::live::{LiveTheme, ThemeState};
pub use self::theme::{Loader, Theme};
pub use self::transform::{ThemeParameters, ThemeTransform};
