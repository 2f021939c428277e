//! A gate that decides whether an answer may be committed.

use std::fmt;
use std::sync::Arc;

use http::Extensions;

use crate::error::Error;
use crate::request::{RequestContext, Response};

/// Checks the answer of a publisher, in its worker, before the transaction is committed.
///
/// An outer layer that works on the answer after the commit, with limited resources, reserves them
/// here and puts them into the extensions of the response. If none are left, the transaction is
/// aborted and the layer's error is the answer, so that the client can repeat the request. Nothing
/// is refused after the commit.
///
/// It is in the [`RequestContext`] of a request. The innermost layer's gate counts.
#[derive(Clone)]
pub struct AnswerGate(Arc<Check>);

struct Check(Box<CheckFn>);

type CheckFn = dyn Fn(&mut Response) -> Result<(), Error> + Send + Sync;

impl AnswerGate {
    /// Creates a gate that calls `check`, which must not block.
    pub fn new(check: impl Fn(&mut Response) -> Result<(), Error> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Check(Box::new(check))))
    }

    /// Attaches this gate to the request with these extensions.
    pub fn attach(&self, extensions: &mut Extensions) {
        RequestContext::insert(extensions, Arc::clone(&self.0));
    }

    /// The gate in these extensions of a request, if there is one.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Option<Self> {
        RequestContext::get_shared::<Check>(extensions).map(Self)
    }

    /// Passes the answer to this gate.
    ///
    /// # Errors
    /// Why the answer must not be committed.
    pub fn ask(&self, response: &mut Response) -> Result<(), Error> {
        let Self(check) = self;
        check.0(response)
    }

    /// Passes the answer to the gate in these extensions of a request, if there is one. Called by
    /// `Publish`.
    ///
    /// # Errors
    /// The reason why the answer must not be committed.
    pub fn check(extensions: &Extensions, response: &mut Response) -> Result<(), Error> {
        RequestContext::get::<Check>(extensions).map_or(Ok(()), |Check(check)| check(response))
    }
}

impl fmt::Debug for AnswerGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerGate")
    }
}
