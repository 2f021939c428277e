//! Several promises, waited for together.

use std::sync::Arc;

use euryale_core::Abort;

use crate::{Promised, Promises};

impl Promises<'_> {
    /// Returns what all of these promises resolved to: a tuple of two to four, asked for in any
    /// way. They run side by side, and the request is published again once, when all are resolved.
    ///
    /// Two lines `ask(..).ready()??` would run one after the other, in a pass for each: the first
    /// `?` ends the pass before the second promise is asked for.
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
    /// When one of them has failed: its [`PromiseError`](crate::PromiseError), at once. When one is
    /// not resolved yet: what ends this pass.
    pub fn join<J: Join>(&self, promised: J) -> Result<J::Values, Abort> {
        promised.values()
    }
}

/// Promises that [`Promises::join`] takes: tuples of two to four.
pub trait Join {
    /// Their values, in the same order.
    type Values;

    /// Returns the values of all.
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
                // A failure needs no other pass.
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
