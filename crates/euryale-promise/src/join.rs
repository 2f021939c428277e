//! Waits for several promises together.

use std::sync::Arc;

use euryale_core::Abort;

use crate::{Promised, Promises};

impl Promises<'_> {
    /// Returns the values of a tuple of two to four promises. They run concurrently, and the
    /// request is published again once, when all of them are resolved.
    ///
    /// Two lines with `ask(..).ready()??` would run one after the other, each in its own pass,
    /// because the first `?` ends the pass before the second promise is asked for.
    ///
    /// ```
    /// use euryale_core::{Abort, Body, Database, Request, Response, Transaction};
    /// use euryale_promise::{Key, PromisesExt};
    /// # use std::convert::Infallible;
    ///
    /// const RATE: Key<u32> = Key::new("rate");
    /// const NEWS: Key<String> = Key::new("news");
    ///
    /// fn front<D: Database>(
    ///     request: &Request,
    ///     _transaction: &mut Transaction<'_, D>,
    /// ) -> Result<Response, Abort> {
    ///     let promises = request.promises();
    ///     let rate = promises.ask(RATE, || async { Ok::<_, Infallible>(7) });
    ///     let news = promises.ask(NEWS, || async { Ok::<_, Infallible>("none".to_owned()) });
    ///     let (rate, news) = promises.join((rate, news))?;
    ///     Ok(Response::new(Body::from(format!("{rate} {news}"))))
    /// }
    /// # fn is_publisher<D: Database, P: euryale_core::Publisher<D>>(_: P) {}
    /// # fn check<D: Database>() { is_publisher::<D, _>(front::<D>) }
    /// ```
    ///
    /// # Errors
    /// The [`PromiseError`](crate::PromiseError) of a failed promise, at once. If a promise is not
    /// resolved yet, an abort that ends this pass.
    pub fn join<J: Join>(&self, promised: J) -> Result<J::Values, Abort> {
        promised.values()
    }
}

/// The arguments of [`Promises::join`]: tuples of two to four promises.
pub trait Join {
    /// Their values, in the same order.
    type Values;

    /// Returns the values of all promises.
    ///
    /// # Errors
    /// As for [`Promises::join`].
    fn values(self) -> Result<Self::Values, Abort>;
}

macro_rules! join {
    ($($t:ident $promised:ident),+) => {
        impl<$($t: Send + Sync + 'static),+> Join for ($(Promised<'_, $t>,)+) {
            type Values = ($(Arc<$t>,)+);

            fn values(self) -> Result<Self::Values, Abort> {
                let ($($promised,)+) = self;
                // A failure is returned without another pass.
                $(if let Some(Err(error)) = $promised.get() {
                    return Err(error.into());
                })+
                Ok(($($promised.ready()??,)+))
            }
        }
    };
}

join!(A a, B b);
join!(A a, B b, C c);
join!(A a, B b, C c, D d);
