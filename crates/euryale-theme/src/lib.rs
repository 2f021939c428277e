//! Themes.
#![forbid(unsafe_code)]

mod apply;
mod compile;
mod context;
mod dom;
mod error;
mod live;
mod rules;
mod theme;
mod transform;
mod xpath;

pub use self::context::{Context, Parameter};
pub use self::error::{LoadError, PageError};
pub use self::live::{LiveTheme, ThemeState};
pub use self::theme::{Loader, Theme};
pub use self::transform::{ThemeParameters, ThemeTransform};
