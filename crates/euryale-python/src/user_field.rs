//! `REMOTE_USER`, from a header field of trusted proxies.

use std::borrow::Cow;

use euryale::forwarded::Client;
use euryale_wsgi::{Settings, latin1};
use http::{HeaderMap, HeaderName, Request};

/// Returns whether one of the networks has every address.
fn has_all(proxies: &str) -> bool {
    let is_space = |character: char| character == ',' || character.is_whitespace();
    proxies
        .split(is_space)
        .any(|network| network.ends_with("/0"))
}

/// The field of the setting `remote_user_header`.
#[derive(Clone, Debug)]
pub(crate) struct UserField(Option<HeaderName>);

impl UserField {
    /// # Errors
    /// A message of one line that names the setting.
    pub(crate) fn new(settings: &Settings) -> Result<Self, String> {
        let Some(name) = &settings.remote_user_header else {
            return Ok(Self(None));
        };
        let refused = |what: &str| format!("remote_user_header = {name:?}: {what}");
        match settings.trusted_proxy.as_deref() {
            None => return Err(refused("no proxy is trusted; set trusted_proxy")),
            Some(proxies) if proxies == "*" || has_all(proxies) => {
                return Err(refused(
                    "trusted_proxy would let each client choose its user; write the addresses of \
                        your proxies",
                ));
            }
            Some(_) => {}
        }
        let field = HeaderName::from_bytes(name.as_bytes()).ok();
        // The server refuses requests with an underscore in a name.
        let field = field.filter(|field| !field.as_str().contains('_'));
        let field = field.ok_or_else(|| refused("write the name of a field, with hyphens"))?;
        Ok(Self(Some(field)))
    }

    /// Returns the request without the field, unless a trusted proxy has set it. A field that
    /// occurs several times is removed too, because a client may have written one of them.
    pub(crate) fn check<B>(&self, mut request: Request<B>) -> Request<B> {
        if let Some(field) = &self.0 {
            let client = Client::of(request.extensions());
            let is_proxied = client.is_some_and(|client| client.is_proxied());
            let headers = request.headers_mut();
            if !is_proxied || headers.get_all(field).iter().count() > 1 {
                headers.remove(field);
            }
        }
        request
    }

    /// Returns `REMOTE_USER` of a request that was checked.
    pub(crate) fn user<'r>(&self, headers: &'r HeaderMap) -> Option<Cow<'r, str>> {
        let value = headers.get(self.0.as_ref()?)?.as_bytes();
        (!value.is_empty()).then(|| latin1::decode(value))
    }
}
