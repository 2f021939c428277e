//! The keys of promises.

use std::any::{Any, TypeId};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use euryale_core::error::PanicMessage;

use crate::asks::Value;

/// The key of a promise whose value is a `T`: a name, and parameters that distinguish several
/// promises of that name.
///
/// Keys with the same name and different types are different keys, so independent parts of a page
/// never confuse each other's values. Within a request, a key stands for one promise. A
/// [shared](crate::Promises::shared) key stands for one promise of **all requests of the layer**,
/// so it must contain everything that the value depends on.
///
/// ```
/// use euryale_promise::Key;
///
/// const WEATHER: Key<f64> = Key::new("weather");
/// let here = WEATHER.with("Genova");
/// assert_eq!(here.to_string(), "weather(Genova)");
/// ```
///
/// The name appears in `Server-Timing`, where the client can read it. Parameters added by
/// [`with`](Key::with) appear only in logs.
pub struct Key<T: ?Sized> {
    name: &'static str,
    detail: Option<Arc<str>>,
    weigh: Option<fn(&T) -> usize>,
    of: PhantomData<fn() -> T>,
}

impl<T: ?Sized> Key<T> {
    /// Creates a key with this name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            detail: None,
            weigh: None,
            of: PhantomData,
        }
    }

    /// Adds a parameter, such as an id or an address.
    #[must_use]
    pub fn with(self, detail: impl fmt::Display) -> Self {
        Self {
            detail: Some(detail.to_string().into()),
            ..self
        }
    }

    /// Sets the function that returns the memory of a value in bytes, with everything that the
    /// value owns. The weight counts for the limit on shared values
    /// ([`shared_weight`](crate::RepublishLayer::shared_weight)). Default: the size of its type.
    ///
    /// ```
    /// # use euryale_promise::Key;
    /// const PAGE: Key<String> = Key::new("page").weighed(String::capacity);
    /// ```
    #[must_use]
    pub const fn weighed(mut self, weigh: fn(&T) -> usize) -> Self {
        self.weigh = Some(weigh);
        self
    }

    /// Returns the key's name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<T: Send + Sync + 'static> Key<T> {
    pub(crate) fn id(self) -> KeyId {
        let weigh = self.weigh.map(|weigh| -> Weigh {
            Arc::new(move |value: &Erased| value.downcast_ref::<T>().map_or(0, weigh))
        });
        let scale = Scale {
            size: size_of::<T>(),
            weigh,
        };
        KeyId {
            of: TypeId::of::<T>(),
            name: self.name,
            detail: self.detail,
            scale,
        }
    }
}

impl<T: ?Sized> From<&'static str> for Key<T> {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl<T: ?Sized> Clone for Key<T> {
    fn clone(&self) -> Self {
        Self {
            name: self.name,
            detail: self.detail.clone(),
            weigh: self.weigh,
            of: PhantomData,
        }
    }
}

impl<T: ?Sized> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.name, &self.detail) == (other.name, &other.detail)
    }
}

impl<T: ?Sized> Eq for Key<T> {}

impl<T: ?Sized> Hash for Key<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.name, &self.detail).hash(state);
    }
}

impl<T: ?Sized> fmt::Display for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.name, self.detail.as_deref())
    }
}

impl<T: ?Sized> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

/// A key without its type.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct KeyId {
    of: TypeId,
    pub(crate) name: &'static str,
    detail: Option<Arc<str>>,
    scale: Scale,
}

impl KeyId {
    /// Returns the weight of a kept value. An error has no weight.
    pub(crate) fn weight(&self, value: &Value) -> usize {
        let Ok(value) = value else { return 0 };
        let weighed = self
            .scale
            .weigh
            .as_ref()
            .map(|weigh| PanicMessage::catch(|| weigh(&**value)));
        // A value whose weight function fails is not kept.
        weighed.map_or(self.scale.size, |weight| weight.unwrap_or(usize::MAX))
    }
}

type Erased = dyn Any + Send + Sync;
type Weigh = Arc<dyn Fn(&Erased) -> usize + Send + Sync>;

/// The function that weighs values. It is ignored when keys are compared.
#[derive(Clone)]
struct Scale {
    size: usize,
    weigh: Option<Weigh>,
}

impl PartialEq for Scale {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Scale {}

impl Hash for Scale {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.name, self.detail.as_deref())
    }
}

fn write(f: &mut fmt::Formatter<'_>, name: &str, detail: Option<&str>) -> fmt::Result {
    match detail {
        Some(detail) => write!(f, "{name}({detail})"),
        None => f.write_str(name),
    }
}
