//! Themes.
#![forbid(unsafe_code)]

mod apply;
mod compile;
mod context;
mod dom;
mod error;
mod rules;
mod theme;
mod xpath;

pub use self::context::{Context, Parameter};
pub use self::error::{LoadError, PageError};
pub use self::theme::{Loader, Theme};
