//! The trait for synchronous application code.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Request, Response};
use crate::error::Abort;
use crate::transaction::{Database, Transaction};

/// Synchronous, transactional application code: one request, one transaction, one thread.
///
/// Returning `Ok` commits, returning [`Abort`] does not. A publisher may be called several times
/// for one request (after a conflict, and after each round of promises), each time with a fresh
/// [`Attempt`](crate::transaction::Attempt), a fresh transaction and the same body; so it must
/// limit its effects to the database and the transaction's hooks.
///
/// Implemented for functions and closures of this shape, for `Arc<P>` and for `Box<dyn
/// Publisher<D>>`. A closure whose arguments have no types must be passed to a method that
/// determines the database (`Stack::publish`), or to [`publisher_fn`].
#[doc(alias = "WSGI")]
#[doc(alias = "ZPublisher")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not publish from the database `{D}`",
    label = "not a publisher of `{D}`",
    note = "a publisher is a synchronous `fn(&Request, &mut Transaction<'_, {D}>) -> Result\
        <Response, Abort>`",
    note = "a closure whose arguments carry no types needs `Stack::publish`, or `publisher_fn`"
)]
pub trait Publisher<D: Database>: Send + Sync + 'static {
    /// Answers one request.
    ///
    /// # Errors
    /// [`Abort`]: the transaction is rolled back, and the client gets the abort's response or an
    /// error page.
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, D>,
    ) -> Result<Response, Abort>;

    /// Returns whether the publisher answers HEAD itself. Default: `false`, and HEAD is published
    /// as GET (RFC 9110 §9.3.2).
    ///
    /// Such a publisher sees the method HEAD. The body of its answer is not sent. The announced
    /// length is that of this body, or else the `Content-Length` that it set.
    fn answers_head(&self) -> bool {
        false
    }
}

impl<D, F> Publisher<D> for F
where
    D: Database,
    F: Fn(&Request, &mut Transaction<'_, D>) -> Result<Response, Abort> + Send + Sync + 'static,
{
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, D>,
    ) -> Result<Response, Abort> {
        self(request, transaction)
    }
}

impl<D: Database, P: Publisher<D> + ?Sized> Publisher<D> for Arc<P> {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, D>,
    ) -> Result<Response, Abort> {
        (**self).publish(request, transaction)
    }

    fn answers_head(&self) -> bool {
        (**self).answers_head()
    }
}

impl<D: Database> Publisher<D> for Box<dyn Publisher<D>> {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, D>,
    ) -> Result<Response, Abort> {
        (**self).publish(request, transaction)
    }

    fn answers_head(&self) -> bool {
        (**self).answers_head()
    }
}

/// Turns a closure whose arguments have no types into a publisher: `publisher_fn::<Db, _>(|request,
/// transaction| …)`.
pub fn publisher_fn<D, F>(f: F) -> PublisherFn<D, F>
where
    D: Database,
    F: Fn(&Request, &mut Transaction<'_, D>) -> Result<Response, Abort> + Send + Sync + 'static,
{
    PublisherFn {
        f,
        database: PhantomData,
    }
}

/// A closure as a publisher; made by [`publisher_fn`].
pub struct PublisherFn<D, F> {
    f: F,
    database: PhantomData<fn() -> D>,
}

impl<D, F> Publisher<D> for PublisherFn<D, F>
where
    D: Database,
    F: Fn(&Request, &mut Transaction<'_, D>) -> Result<Response, Abort> + Send + Sync + 'static,
{
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, D>,
    ) -> Result<Response, Abort> {
        (self.f)(request, transaction)
    }
}

impl<D, F: Clone> Clone for PublisherFn<D, F> {
    fn clone(&self) -> Self {
        Self {
            f: self.f.clone(),
            database: PhantomData,
        }
    }
}

impl<D, F> fmt::Debug for PublisherFn<D, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublisherFn")
    }
}
