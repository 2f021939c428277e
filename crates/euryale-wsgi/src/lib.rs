//! The server side of WSGI (PEP 3333) in plain Rust, without Python.
//!
//! A host that runs WSGI applications, such as the Python extension of this project, has classes
//! and calls of its interpreter; the rules are here, where `cargo test` reaches them. All of it
//! runs in a worker, in synchronous code: the request's body has arrived, and nothing of the answer
//! is sent before the application's iterable is closed.
//!
//! | PEP 3333 | here |
//! |---|---|
//! | the text in `environ` | [`environ::variables`] |
//! | `start_response`, `write`, `exc_info`, `Content-Length` | [`Exchange`] |
//! | the iterable, `close()`, `wsgi.file_wrapper` | [`Iterable`], [`Exchange::run`] |
//! | strings whose code points are bytes | [`latin1`] |
//! | the settings of a server, with waitress's names | [`Settings`] |
//!
//! # Example
//!
//! ```
//! use euryale_core::Blob;
//! use euryale_wsgi::{Exchange, Iterable, Limits};
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
//! let exchange = Exchange::new(&Method::GET, Limits::default());
//! exchange.start_response("200 OK", [("Content-Type", "text/plain")], false)?;
//! exchange.run(Blocks(vec![&b"hello, "[..], b"world"].into_iter()))?;
//! let response = exchange.finish::<std::convert::Infallible>()?;
//! assert_eq!(response.headers()["content-type"], "text/plain");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It replaces, from Zope, the half of `ZPublisher.WSGIPublisher` that is waitress's: tasks,
//! buffers and overflow files.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod announced;
mod collected;
pub mod environ;
mod exchange;
pub mod latin1;
mod settings;
mod start;

pub use self::exchange::{Exchange, Failure, Iterable, Limits};
pub use self::settings::{Listen, Setting, SettingError, Settings};
pub use self::start::{Head, Refused};
