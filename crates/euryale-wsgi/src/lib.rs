//! The server side of WSGI (PEP 3333) in plain Rust, without Python.
//!
//! The rules are in this crate, where `cargo test` can test them. A host that runs WSGI
//! applications, such as `euryale-python`, only adds its interpreter's classes and calls. All of it
//! runs in a worker, as synchronous code: the request's body has arrived. Nothing of the answer is
//! sent before the application's iterable is closed, unless it may [leave
//! early](Exchange::with_early).
//!
//! | PEP 3333 | here |
//! |---|---|
//! | the text in `environ` | [`environ::variables`] |
//! | `start_response`, `write`, `exc_info`, `Content-Length` | [`Exchange`] |
//! | the iterable, `close()`, `wsgi.file_wrapper` | [`Iterable`], [`Exchange::run`] |
//! | the memory and the files of all answers together | [`AnswerBudget`] |
//! | `X-Sendfile` and `X-Accel-Redirect`, which are not part of it | [`NamedFile`] |
//! | strings whose code points are bytes | [`latin1`] |
//! | the settings of a server, with waitress's names | [`Settings`] |
//!
//! # Example
//!
//! ```
//! use euryale_core::Blob;
//! use euryale_wsgi::{AnswerBudget, Exchange, Iterable, Limits};
//! use http::Method;
//!
//! /// What an application returned: here a list of blocks.
//! struct Blocks(std::vec::IntoIter<&'static [u8]>);
//!
//! impl Iterable for Blocks {
//!     type Block = &'static [u8];
//!     type Error = std::convert::Infallible;
//!
//!     fn file(&mut self, _length: Option<u64>) -> Option<Blob> {
//!         None
//!     }
//!     fn next(&mut self) -> Result<Option<&'static [u8]>, Self::Error> {
//!         Ok(self.0.next())
//!     }
//!     fn close(&mut self) -> Result<(), Self::Error> {
//!         Ok(())
//!     }
//! }
//!
//! let budget = AnswerBudget::new();
//! let exchange = Exchange::new(&Method::GET, Limits::default(), &budget);
//! exchange.start_response("200 OK", [("Content-Type", "text/plain")], false)?;
//! exchange.run(Blocks(vec![&b"hello, "[..], b"world"].into_iter()), || false)?;
//! let response = exchange.finish::<std::convert::Infallible>()?;
//! assert_eq!(response.headers()["content-type"], "text/plain");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It replaces, from Zope: waitress's tasks, buffers and overflow files.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod announced;
mod book;
mod budget;
mod collected;
pub mod environ;
mod exchange;
mod failure;
mod hashed;
mod iterable;
pub mod latin1;
mod sendfile;
mod settings;
mod start;
mod unlock;

pub use self::book::WsgiBook;
pub use self::budget::AnswerBudget;
pub use self::exchange::{Exchange, Limits};
pub use self::failure::{Failure, Incomplete, WrongLength};
pub use self::hashed::has_hash;
pub use self::iterable::Iterable;
pub use self::sendfile::NamedFile;
pub use self::settings::{Listen, Mount, Setting, SettingError, Settings};
pub use self::start::{Head, Refused};
pub use self::unlock::{NoLock, Unlock};
