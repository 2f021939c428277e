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
    depends: Vec<Arc<str>>,
    of: PhantomData<fn() -> T>,
}

impl<T: ?Sized> Key<T> {
    /// Creates a key with this name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            detail: None,
            weigh: None,
            depends: Vec::new(),
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

    /// Adds the name of something that a shared value depends on, such as `page:17`. When that
    /// [changes](crate::Changes::changed), the value is dropped. Every use of the key must name the
    /// same things, because the first one counts.
    ///
    /// ```
    /// # use euryale_promise::Key;
    /// const SUMMARY: Key<String> = Key::new("summary");
    /// let summary = SUMMARY.with(17).depends_on("page:17");
    /// # let _ = summary;
    /// ```
    #[must_use]
    pub fn depends_on(mut self, name: impl fmt::Display) -> Self {
        self.depends.push(name.to_string().into());
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
        let keeping = Keeping {
            size: size_of::<T>(),
            weigh,
            depends: self.depends.into(),
        };
        KeyId {
            of: TypeId::of::<T>(),
            name: self.name,
            detail: self.detail,
            keeping,
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
            depends: self.depends.clone(),
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
    keeping: Keeping,
}

impl KeyId {
    /// Returns the weight of a kept value. An error has no weight.
    pub(crate) fn weight(&self, value: &Value) -> usize {
        let Ok(value) = value else { return 0 };
        let weighed = self
            .keeping
            .weigh
            .as_ref()
            .map(|weigh| PanicMessage::catch(|| weigh(&**value)));
        // A value whose weight function fails is not kept.
        weighed.map_or(self.keeping.size, |weight| weight.unwrap_or(usize::MAX))
    }

    /// Returns whether the value depends on `name`.
    pub(crate) fn depends_on(&self, name: &str) -> bool {
        self.keeping.depends.iter().any(|other| **other == *name)
    }

    /// Returns whether the value depends on anything.
    pub(crate) fn depends(&self) -> bool {
        !self.keeping.depends.is_empty()
    }
}

type Erased = dyn Any + Send + Sync;
type Weigh = Arc<dyn Fn(&Erased) -> usize + Send + Sync>;

/// How the value of a key is kept. It is ignored when keys are compared.
#[derive(Clone)]
struct Keeping {
    size: usize,
    weigh: Option<Weigh>,
    depends: Arc<[Arc<str>]>,
}

impl PartialEq for Keeping {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Keeping {}

impl Hash for Keeping {
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
