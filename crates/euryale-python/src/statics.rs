//! Files that the server sends without a call of the application.

use std::convert::Infallible;
use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use euryale::blob::ServeFolder;
use euryale::body::Descriptors;
use euryale::{Response, StackLayers};
use euryale_wsgi::{Mount, Settings, has_hash};
use http::header::CACHE_CONTROL;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, StatusCode, Uri};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use tower_service::Service;

use crate::answers::with_plain;
use crate::file;

/// Caches may keep a file for a year whose name changes with its content (RFC 8246).
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The folders and files of the setting `static`, and the folder of the theme.
///
/// Requests below their paths are answered on the runtime and on the threads that read files. They
/// need neither a worker nor the GIL, and never reach the application, even if there is no such
/// file.
#[derive(Clone)]
pub(crate) struct Statics(Arc<[Static]>);

/// A folder, or a single file.
struct Static {
    url: String,
    folder: ServeFolder,
    /// The path of a single file in the folder, encoded.
    file: Option<String>,
}

impl Statics {
    /// Finds them, so that a mistake ends the start.
    ///
    /// # Errors
    /// A message of one line that names the setting.
    pub(crate) fn new(
        settings: &Settings,
        layers: &StackLayers,
        descriptors: &Descriptors,
    ) -> Result<Self, String> {
        let mut all = Vec::new();
        for Mount { url, folder } in settings.statics.iter().chain(&settings.theme) {
            let (folder, file) = found(folder).map_err(|what| format!("static: {what}"))?;
            let folder = file::folder(&folder)
                .dotfiles(file.is_some())
                .precompressed(true)
                .blobs(&layers.blobs)
                .descriptors(descriptors);
            let url = url.clone();
            all.push(Static { url, folder, file });
        }
        // The longest path counts.
        all.sort_by_key(|entry| std::cmp::Reverse(entry.url.len()));
        Ok(Self(all.into()))
    }

    /// Returns the service that sends these files, and passes all other requests on.
    pub(crate) fn around<S>(self, inner: S) -> ServeStatics<S> {
        ServeStatics {
            inner,
            statics: self,
        }
    }

    /// Returns the folder of this path, and the path below it.
    fn find<'s>(&'s self, path: &'s str) -> Option<(&'s ServeFolder, &'s str)> {
        self.0.iter().find_map(|entry| {
            let below = path.strip_prefix(entry.url.as_str())?;
            match &entry.file {
                Some(file) => below.is_empty().then_some((&entry.folder, file.as_str())),
                None => below.starts_with('/').then_some((&entry.folder, below)),
            }
        })
    }
}

/// Returns the folder at this path, or the folder of the file at this path with the name of the
/// file as the path of a URL.
fn found(path: &Path) -> Result<(PathBuf, Option<String>), String> {
    let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    let (Some(name), true) = (path.file_name(), is_file) else {
        return existing(path).map(|folder| (folder, None));
    };
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = existing(parent.unwrap_or(Path::new(".")))?;
    let name = percent_encode(name.as_bytes(), NON_ALPHANUMERIC);
    Ok((folder, Some(format!("/{name}"))))
}

/// Returns the absolute path of a folder that exists. Links in it are kept, so that a later
/// deployment can switch them.
pub(crate) fn existing(folder: &Path) -> Result<PathBuf, String> {
    let named = |error: std::io::Error| format!("{}: {error}", folder.display());
    let absolute = std::path::absolute(folder).map_err(named)?;
    match std::fs::metadata(&absolute).map_err(named)?.is_dir() {
        true => Ok(absolute),
        false => Err(format!("{}: not a folder", folder.display())),
    }
}

/// Sends the files of [`Statics`], and passes all other requests on.
#[derive(Clone)]
pub(crate) struct ServeStatics<S> {
    inner: S,
    statics: Statics,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<S, B> Service<Request<B>> for ServeStatics<S>
where
    S: Service<Request<B>, Response = Response, Error = Infallible, Future: Send + 'static>,
    B: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Answer {
        let found = self.statics.find(request.uri().path());
        let Some((folder, below)) = found else {
            return Box::pin(self.inner.call(request));
        };
        let Some(uri) = with_path(request.uri(), below) else {
            return Box::pin(self.inner.call(request));
        };
        let is_kept = has_hash(below);
        let mut folder = folder.clone();
        *request.uri_mut() = uri;
        let answer = folder.call(request);
        Box::pin(async move {
            let mut response = with_text(answer.await?);
            let status = response.status();
            if is_kept && (status.is_success() || status == StatusCode::NOT_MODIFIED) {
                response.headers_mut().insert(CACHE_CONTROL, KEPT);
            }
            Ok(response)
        })
    }
}

/// Returns the target with another path. `None` never occurs, because the path is part of a target.
fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// Gives an error page its status as text, because a browser shows an empty page as nothing.
fn with_text(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || !http_body::Body::is_end_stream(response.body()) {
        return response;
    }
    let text = format!("{}\n", status.canonical_reason().unwrap_or("Error"));
    with_plain(response, text)
}
