//! The off switch.

use std::sync::Arc;

use http::HeaderValue;

/// In the extensions of a response, or of a request, it switches transforms off: all, or some by
/// their names.
///
/// A publisher sets it on a response that must not be changed; a layer outside the chain sets it on
/// a request. Clients cannot: see
/// [`trust_off_switch`](crate::TransformChainLayer::trust_off_switch) for the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformsOff {
    /// None means all of them.
    names: Option<Arc<[Box<str>]>>,
}

impl TransformsOff {
    /// All transforms are off, critical ones, too.
    pub fn all() -> Self {
        Self { names: None }
    }

    /// Those of these names are off.
    pub fn only<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            names: Some(names.into_iter().map(Box::from).collect()),
        }
    }

    /// Returns whether the transform of this name is off.
    pub fn covers(&self, name: &str) -> bool {
        self.names
            .as_ref()
            .is_none_or(|names| names.iter().any(|off| **off == *name))
    }

    /// What the header says: names, separated by commas, or `all`.
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
