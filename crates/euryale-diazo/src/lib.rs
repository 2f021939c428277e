//! Diazo themes: rules put the content of a page into a designer's HTML.
//!
//! A [`Theme`] is compiled once, from rules files and the HTML that they name, and then themes any
//! number of pages. A page of 60 KB with nine rules takes about 0.06 ms, a sixtieth of the time of
//! Diazo with lxml (`cargo run --release -p euryale-bench -- theme`). This crate is a plain
//! library: it has no runtime, no threads and no network. `euryale-theme` applies themes to the
//! pages of a program.
//!
//! ```
//! use euryale_diazo::{Context, Loader};
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
//! The module [`reference`](mod@reference) lists the rules, and the differences from Diazo.
//!
//! # Errors
//!
//! [`LoadError`] names file and line. [`PageError`] is one of the limits: 512 nested elements, two
//! million nodes, 20 million examined nodes, 64 MiB of themed page, 600 nested templates and
//! copies. Invalid HTML is never refused. Rules files may have up to 8 MiB, and so may the text of
//! their entities. They are read at most 1,024 times in all; files that include themselves, and
//! endless nesting or expressions are errors.
//!
//! # Panics
//!
//! The crate has no panics of its own.

#![forbid(unsafe_code)]

mod address;
mod apply;
mod compile;
mod context;
mod dom;
mod error;
pub mod reference;
mod rules;
mod stamp;
mod theme;
mod xpath;

pub use self::apply::Explanation;
pub use self::context::{Context, Parameter};
pub use self::error::{LoadError, Message, PageError};
pub use self::stamp::Stamp;
pub use self::theme::{Loader, Theme};
