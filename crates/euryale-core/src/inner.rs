//! Access to the inner service of a layer's service.

/// Adds `get_ref`, `get_mut` and `into_inner` to a service whose field `inner` is the inner
/// service, as in tower-http.
#[doc(hidden)]
#[macro_export]
macro_rules! inner_service {
    ($service:ident<S $(, $parameter:ident: $bound:path)?>) => {
        impl<S $(, $parameter: $bound)?> $service<S $(, $parameter)?> {
            /// Returns a reference to the inner service.
            pub fn get_ref(&self) -> &S {
                &self.inner
            }

            /// Returns a mutable reference to the inner service.
            pub fn get_mut(&mut self) -> &mut S {
                &mut self.inner
            }

            /// Returns the inner service.
            pub fn into_inner(self) -> S {
                self.inner
            }
        }
    };
}
