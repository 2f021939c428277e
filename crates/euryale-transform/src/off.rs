//! The off switch.

use std::sync::Arc;

use http::HeaderValue;

/// Switches transforms off, all or some by their names. It is an extension of a response or a
/// request.
///
/// A publisher sets it on a response that must not be changed; a layer outside the chain sets it on
/// a request. Clients cannot set it; for the header see
/// [`trust_off_switch`](crate::TransformChainLayer::trust_off_switch).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformsOff {
    /// The names; `None` for all transforms.
    names: Option<Arc<[Box<str>]>>,
}

impl TransformsOff {
    /// Switches all transforms off, including critical ones.
    pub fn all() -> Self {
        Self { names: None }
    }

    /// Switches the transforms with these names off.
    pub fn only<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            names: Some(names.into_iter().map(Box::from).collect()),
        }
    }

    /// Returns whether the transform with this name is off.
    pub fn covers(&self, name: &str) -> bool {
        self.names
            .as_ref()
            .is_none_or(|names| names.iter().any(|off| **off == *name))
    }

    /// Parses the header: names that are separated by commas, or `all`.
    pub(crate) fn of_header(value: &HeaderValue) -> Option<Self> {
        let names = value
            .to_str()
            .ok()?
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        let names: Vec<_> = names.collect();
        Some(if names.contains(&"all") {
            Self::all()
        } else {
            Self::only(names)
        })
    }
}
