//! Files that a reverse proxy sends.

use std::fs;
use std::os::fd::AsRawFd;

use euryale::blob::{BlobPath, OffloadLayer};
use euryale::body::BlobHandle;
use euryale::forwarded::Client;
use euryale::{Body, Ledger, Response};
use euryale_wsgi::Settings;
use http::HeaderName;

use crate::statics::existing;

/// Returns the layer for the folders of the setting `offload`, if there are any. A proxy that is
/// trusted to report the client is also trusted to report how it takes files.
///
/// # Errors
/// A message of one line that names the setting.
pub(crate) fn layer(settings: &Settings, ledger: &Ledger) -> Result<Option<OffloadLayer>, String> {
    if settings.offload.is_empty() {
        return Ok(None);
    }
    if settings.trusted_proxy.is_none() {
        let missing = "offload: no proxy is trusted to send files; set trusted_proxy, or leave it \
            out";
        return Err(missing.into());
    }
    let mut layer = OffloadLayer::new().ledger(ledger.clone());
    for mount in &settings.offload {
        let folder = existing(&mount.folder).map_err(|what| format!("offload: {what}"))?;
        // The paths of open files have no links.
        let folder = folder
            .canonicalize()
            .map_err(|error| format!("offload: {}: {error}", folder.display()))?;
        layer = layer.map(folder, &mount.url);
    }
    let is_proxied = |request: &http::request::Parts| {
        Client::of(&request.extensions).is_some_and(|client| client.is_proxied())
    };
    Ok(Some(layer.only_plain_names().trusted(is_proxied)))
}

/// Returns whether a browser enforces this field. nginx keeps only six fields of an answer whose
/// file it sends, so a file with a policy is sent by the server itself.
fn is_policy(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("content-security-policy") || name.starts_with("access-control-")
}

/// Names the files of answers for the layer above.
#[derive(Clone)]
pub(crate) struct FilePaths(Option<Ledger>);

impl FilePaths {
    pub(crate) fn new(settings: &Settings, ledger: &Ledger) -> Self {
        let is_on = !settings.offload.is_empty();
        Self(is_on.then(|| ledger.clone()))
    }

    /// Returns the answer with the path of its open file, if it is one. An application may open its
    /// file in any way, so the kernel is asked. The layer checks the path.
    pub(crate) fn name(&self, mut response: Response) -> Response {
        let Some(ledger) = &self.0 else {
            return response;
        };
        if response.headers().keys().any(is_policy) {
            return response;
        }
        Body::publish_handle(&mut response, ledger);
        let handle = response.extensions().get::<BlobHandle>();
        let Some(blob) = handle.and_then(BlobHandle::blob) else {
            return response;
        };
        let link = format!("/proc/self/fd/{}", blob.file().as_raw_fd());
        if let Ok(path) = fs::read_link(link) {
            response.extensions_mut().insert(BlobPath(path));
        }
        response
    }
}
