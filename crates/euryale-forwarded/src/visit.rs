//! What the layers put into the extensions of a request: one value, because each costs a box in
//! every copy of a head.

use http::Extensions;

use crate::{Client, PublicUrl};

#[derive(Clone)]
pub(crate) struct Visit {
    /// None if there is no [`ForwardedLayer`](crate::ForwardedLayer) around it.
    pub(crate) client: Option<Client>,
    pub(crate) url: PublicUrl,
}

impl Visit {
    /// The address has changed, the client has not.
    pub(crate) fn put_url(extensions: &mut Extensions, url: PublicUrl) {
        match extensions.get_mut::<Self>() {
            Some(visit) => visit.url = url,
            None => drop(extensions.insert(Self { client: None, url })),
        }
    }
}
