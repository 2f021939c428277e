//! The value that carries a publisher's promises out of the worker.

use std::any::Any;
use std::fmt;

/// A value that the publisher needs is missing. It is returned from the worker inside an
/// [`Abort`](crate::error::Abort), with the work that an outer layer has to do before the request
/// is published again.
///
/// It is made by a promise layer, and opaque to all other code.
pub struct Pending {
    asked: Box<dyn Any + Send>,
}

impl Pending {
    /// Carries `asked` out of the worker, to the layer that expects this type.
    pub fn new(asked: impl Any + Send) -> Self {
        Self {
            asked: Box::new(asked),
        }
    }

    /// Returns the contents if they have this type.
    ///
    /// # Errors
    /// The value itself, if its contents have another type.
    pub fn downcast<T: Any>(self) -> Result<T, Self> {
        self.asked
            .downcast()
            .map(|asked| *asked)
            .map_err(|asked| Self { asked })
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pending")
    }
}
