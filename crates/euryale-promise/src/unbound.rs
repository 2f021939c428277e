//! The promises of a request without a borrow of it.

use std::fmt;

use euryale_core::transaction::Attempt;

use crate::asks::Terms;
use crate::scope::Scope;
use crate::{Promises, PromisesExt};

/// The promises of a request in one pass, without the lifetime of the request, and the terms for
/// promises made through this handle. Clones are handles to the same promises. Made by
/// [`Promises::unbound`].
///
/// It is for hosts of another language, whose objects have no lifetimes. A promise asked for after
/// the pass has ended is never awaited; the host must prevent this.
#[derive(Clone)]
pub struct UnboundPromises {
    attempt: Attempt,
    scope: Option<Scope>,
    terms: Terms,
}

impl UnboundPromises {
    pub(crate) fn new(attempt: Attempt, scope: Option<Scope>, terms: Terms) -> Self {
        Self {
            attempt,
            scope,
            terms,
        }
    }
}

impl PromisesExt for UnboundPromises {
    fn promises(&self) -> Promises<'_> {
        Promises::new(self.attempt.clone(), self.scope.clone(), self.terms)
    }
}

impl fmt::Debug for UnboundPromises {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnboundPromises")
            .field("attempt", &self.attempt)
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
