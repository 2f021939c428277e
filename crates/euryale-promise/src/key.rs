//! What a promise is known by.

use std::any::TypeId;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

/// The key of a promise whose value is a `T`: a name, and what tells apart several of that name.
///
/// Keys of one name and of different types are different keys: parts of a page that do not know each other never
/// read each other's values as something else. Within a request a key is asked for once; a
/// [shared](crate::Promises::shared) one is the same for **all requests of the layer**, so whatever its value depends
/// on must stand in it.
///
/// ```
/// use euryale_promise::Key;
///
/// const WEATHER: Key<f64> = Key::new("weather");
/// let here = WEATHER.with("Genova");
/// assert_eq!(here.to_string(), "weather(Genova)");
/// ```
///
/// The name is a label: it stands in `Server-Timing`, where the client can read it. What [`with`](Key::with) adds
/// stands in logs only.
pub struct Key<T: ?Sized> {
    name: &'static str,
    detail: Option<Arc<str>>,
    of: PhantomData<fn() -> T>,
}

impl<T: ?Sized> Key<T> {
    /// The key of this name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, detail: None, of: PhantomData }
    }

    /// The same name, for this one of several: an id, an address.
    #[must_use]
    pub fn with(self, detail: impl fmt::Display) -> Self {
        Self { detail: Some(detail.to_string().into()), ..self }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl<T: 'static> Key<T> {
    pub(crate) fn id(self) -> KeyId {
        KeyId { of: TypeId::of::<T>(), name: self.name, detail: self.detail }
    }
}

impl<T: ?Sized> From<&'static str> for Key<T> {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl<T: ?Sized> Clone for Key<T> {
    fn clone(&self) -> Self {
        Self { name: self.name, detail: self.detail.clone(), of: PhantomData }
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
