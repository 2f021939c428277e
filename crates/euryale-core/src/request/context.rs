//! Values of a request that all copies of its head share.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use http::Extensions;

/// Values that layers attach to a request for the layers and publishers inside, at most one of each
/// type. All of them are in one extension.
///
/// An extension of its own costs an allocation in every copy of a request's head, and several
/// layers keep such a copy. A value in the context costs nothing in a copy: all copies share it, so
/// it never changes in place. Another value of its type replaces it in the requests that are passed
/// inward, and the copies that outer layers keep stay as they are.
///
/// ```
/// use std::sync::Arc;
///
/// use euryale_core::Request;
/// use euryale_core::body::SpooledBody;
/// use euryale_core::request::RequestContext;
///
/// struct Tenant(String);
///
/// let mut request = Request::new(SpooledBody::empty());
/// let tenant = Arc::new(Tenant("medusa".into()));
/// RequestContext::insert(request.extensions_mut(), tenant);
///
/// let tenant = RequestContext::get::<Tenant>(request.extensions());
/// assert_eq!(tenant.map(|tenant| tenant.0.as_str()), Some("medusa"));
/// ```
#[derive(Clone, Default)]
pub struct RequestContext {
    /// The number of values that the layers of a stack attach. They need no further allocation.
    few: [Option<Value>; 4],
    more: Vec<Value>,
}

type Value = Arc<dyn Any + Send + Sync>;

impl RequestContext {
    /// Attaches `value` to the request with these extensions, in place of another value of its
    /// type.
    ///
    /// The first value of a request allocates the context. A layer that attaches the same value to
    /// all requests should create its `Arc` once.
    pub fn insert<T: Any + Send + Sync>(extensions: &mut Extensions, value: Arc<T>) {
        let context = extensions.get_or_insert_with(Self::default);
        let same = context.values_mut().find(|kept| (***kept).is::<T>());
        if let Some(same) = same {
            *same = value;
        } else if let Some(free) = context.few.iter_mut().find(|place| place.is_none()) {
            *free = Some(value);
        } else {
            context.more.push(value);
        }
    }

    /// Returns the value of this type that is attached to the request with these extensions.
    pub fn get<T: Any + Send + Sync>(extensions: &Extensions) -> Option<&T> {
        let context = extensions.get::<Self>()?;
        context
            .values()
            .find_map(|value| (**value).downcast_ref::<T>())
    }

    /// Like [`get`](Self::get), for a caller that keeps the value.
    pub fn get_shared<T: Any + Send + Sync>(extensions: &Extensions) -> Option<Arc<T>> {
        let context = extensions.get::<Self>()?;
        let value = context.values().find(|value| (***value).is::<T>())?;
        Arc::clone(value).downcast().ok()
    }

    fn values(&self) -> impl Iterator<Item = &Value> {
        self.few.iter().flatten().chain(&self.more)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.few.iter_mut().flatten().chain(&mut self.more)
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("values", &self.values().count())
            .finish_non_exhaustive()
    }
}
