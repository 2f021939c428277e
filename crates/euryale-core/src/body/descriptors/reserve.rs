//! Descriptors that only operators get.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::Poll;

use super::Descriptors;

/// Descriptors for operators, who get answers even while every other descriptor is in use.
///
/// `euryale-server` makes one (`DescriptorLimit::reserve`); listeners of operators accept with it.
/// Clones share the same descriptors.
#[derive(Clone)]
pub struct Reserve {
    lend: Arc<Lend>,
    places: usize,
}

/// Calls its argument repeatedly with one more descriptor of the reserve allowed, until it needs no
/// more or all of them are allowed.
type Lend = dyn Fn(&mut dyn FnMut() -> bool) + Send + Sync;

impl Reserve {
    /// Creates a reserve for `places` sockets. `lend` calls its argument as long as that returns
    /// `true`, each time with one more descriptor of the reserve allowed. When it returns, none of
    /// them is allowed.
    pub fn new(
        places: usize,
        lend: impl Fn(&mut dyn FnMut() -> bool) + Send + Sync + 'static,
    ) -> Self {
        Self {
            lend: Arc::new(lend),
            places,
        }
    }

    /// Returns the number of sockets in the reserve.
    #[must_use]
    pub fn places(&self) -> usize {
        self.places
    }

    /// Calls `open`, such as a `poll_accept`. If that fails because there is no descriptor, calls
    /// it again with a descriptor of the reserve. `open` must not block.
    ///
    /// # Errors
    /// Those of `open`.
    pub fn open<T>(&self, mut open: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let mut opened = open();
        if is_exhausted(&opened) {
            (self.lend)(&mut || {
                opened = open();
                is_exhausted(&opened)
            });
        }
        opened
    }
}

fn is_exhausted<T>(opened: &Poll<io::Result<T>>) -> bool {
    matches!(opened, Poll::Ready(Err(error)) if Descriptors::are_exhausted(error))
}

impl fmt::Debug for Reserve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserve")
            .field("places", &self.places)
            .finish_non_exhaustive()
    }
}
