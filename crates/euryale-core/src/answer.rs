//! May this answer be committed?

use std::fmt;
use std::sync::Arc;

use http::Extensions;

use crate::{Error, Response};

/// Asked about the answer of a publisher, in its worker, before the transaction is committed.
///
/// A layer outside that has something to do for an answer after the commit, and has bounds, takes
/// what it needs here, and leaves it in the extensions of the response. When it has no room, the
/// transaction is aborted and its error is the answer, so that the request can be sent again. After
/// the commit nothing is refused.
///
/// It travels in the extensions of a request. The one of the innermost layer counts.
#[derive(Clone)]
pub struct AnswerGate(Arc<Check>);

type Check = dyn Fn(&mut Response) -> Result<(), Error> + Send + Sync;

impl AnswerGate {
    /// Asks `check`, which must not block.
    pub fn new(check: impl Fn(&mut Response) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        Self(Arc::new(check))
    }

    /// Asks the gate of a request with these extensions, if there is one, about its answer. Done by
    /// `Publish`.
    ///
    /// # Errors
    /// Why the answer must not be committed.
    pub fn check(extensions: &Extensions, response: &mut Response) -> Result<(), Error> {
        extensions
            .get::<Self>()
            .map_or(Ok(()), |gate| (gate.0)(response))
    }
}

impl fmt::Debug for AnswerGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerGate")
    }
}
