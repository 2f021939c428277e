//! The theme as a transform.

use std::borrow::Cow;
use std::time::Duration;

use euryale_core::{Body, BoxError, Internal, InternalRequest, Route};
use euryale_transform::{Page, Transform, TransformPage, resolve, sub_request};
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Response, StatusCode, request, response};
use http_body_util::{BodyExt, Limited};
use percent_encoding::percent_decode_str;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument;

use crate::context::{Context, Parameter};
use crate::live::LiveTheme;

/// Bytes of a document that rules take content from.
const MAX_DOCUMENT: usize = 4 << 20;
/// Sub-requests of sub-requests that still take content from documents.
const MAX_DEPTH: u32 = 10;

/// Parameters of the rules (`$name`) that a publisher sets for its page, in the extensions of its response.
///
/// They are known in the transaction; the page is themed after it.
///
/// ```
/// use euryale_core::{Body, Response};
/// use euryale_theme::ThemeParameters;
///
/// let mut response = Response::new(Body::from("<p>Hello</p>"));
/// response.extensions_mut().insert(ThemeParameters::new().set("role", "editor"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct ThemeParameters(Vec<(String, Parameter)>);

impl ThemeParameters {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets one.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Parameter>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }
}

/// Themes pages, in the chain of [`euryale-transform`](euryale_transform): order 8850, a whole page at a time, on the
/// threads for the CPU.
///
/// Rules see `$path` (decoded), `$host`, `$scheme`, `$base` and `$url` of the request, and what [`ThemeParameters`]
/// set. Documents that rules take content from are fetched through [`Internal`] before, side by side, for the client
/// of the page; their route is `theme`. A relative `href` is one of the page's. Of a document that is not answered
/// 200 with HTML in UTF-8, or not in time, nothing is taken, and the log says so. Documents have no theme: a page
/// that takes content from itself takes it from what it was before.
///
/// A response with the header `X-Theme-Disabled`, as Plone sets it, is not themed.
#[derive(Clone, Debug)]
pub struct ThemeTransform {
    theme: LiveTheme,
    name: Cow<'static, str>,
    has_version: bool,
    document_deadline: Duration,
}

impl ThemeTransform {
    /// By this theme, under the name `theme`.
    pub fn new(theme: LiveTheme) -> Self {
        let document_deadline = Duration::from_secs(5);
        Self { theme, name: Cow::Borrowed("theme"), has_version: false, document_deadline }
    }

    /// For the log, the metrics and the off switch.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// How long a document may take that rules take content from, its wait for a connection included. Keep it below the
    /// chain's own deadline, at which the page is sent as it was. Default: 5 s.
    #[must_use]
    pub fn document_deadline(mut self, within: Duration) -> Self {
        self.document_deadline = within;
        self
    }

    /// Themed pages keep an `ETag`: their own and the theme's version. Only right if rules ask for nothing but the
    /// page and its path: no parameters, no `href`. Default: they have none.
    #[must_use]
    pub fn keep_tags(mut self) -> Self {
        self.has_version = true;
        self
    }
}

impl Transform for ThemeTransform {
    fn name(&self) -> &str {
        &self.name
    }

    fn order(&self) -> i32 {
        8850
    }

    fn applies(&self, _page: &Page, response: &response::Parts) -> bool {
        !response.headers.contains_key("x-theme-disabled") && self.theme.state().theme().is_some()
    }

    fn version(&self) -> Option<Cow<'_, str>> {
        let theme = self.theme.theme().filter(|_| self.has_version)?;
        Some(theme.version().to_owned().into())
    }
}

impl TransformPage for ThemeTransform {
    async fn transform(&self, page: &Page, response: Response<String>) -> Result<Response<String>, BoxError> {
        let Some(theme) = self.theme.theme() else { return Ok(response) };
        let (head, content) = response.into_parts();
        let mut context = context(page.request());
        if let Some(ThemeParameters(set)) = head.extensions.get() {
            for (name, value) in set {
                context = context.parameter(name.clone(), value.clone());
            }
        }
        let hrefs: Vec<String> = theme.documents(&context).map(str::to_owned).collect();
        for (href, html) in self.documents(page.request(), hrefs).await {
            context = context.document(href, html);
        }
        let themed = page.cpu().run(move || {
            let themed = theme.apply(&content, &context)?;
            Ok::<_, BoxError>(match themed {
                Cow::Owned(themed) => themed,
                Cow::Borrowed(_) => content,
            })
        });
        Ok(Response::from_parts(head, themed.await??))
    }
}

fn context(request: &request::Parts) -> Context<'static> {
    let path = percent_decode_str(request.uri.path()).decode_utf8_lossy().into_owned();
    let named = request.headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = request.uri.authority().map(http::uri::Authority::as_str).or(named).unwrap_or_default();
    let scheme = request.uri.scheme_str().unwrap_or("http");
    let base = format!("{scheme}://{host}");
    Context::new(path.clone())
        .parameter("host", host)
        .parameter("scheme", scheme)
        .parameter("url", format!("{base}{path}"))
        .parameter("base", base)
}

impl ThemeTransform {
    /// Fetches documents side by side.
    async fn documents(&self, page: &request::Parts, hrefs: Vec<String>) -> Vec<(String, String)> {
        if hrefs.is_empty() {
            return Vec::new();
        }
        let Some(internal) = page.extensions.get::<Internal>() else {
            tracing::warn!(?hrefs, "rules take content from documents, and there is no `Internal` to ask");
            return Vec::new();
        };
        if InternalRequest::of(&page.extensions).is_some_and(|mark| mark.depth() >= MAX_DEPTH) {
            tracing::warn!(?hrefs, "documents ask for documents, {MAX_DEPTH} deep: these are left out");
            return Vec::new();
        }
        let mut fetches = JoinSet::new();
        for href in hrefs {
            let address = match resolve(&page.uri, &href) {
                Ok(address) => address,
                Err(error) => {
                    tracing::warn!(href, %error, "nothing is taken from this document");
                    continue;
                }
            };
            let mut asked = sub_request(page, address);
            asked.extensions_mut().insert(Route::new("theme"));
            let fetched = fetch(internal.clone(), asked, page.extensions.clone());
            let fetched = timeout(self.document_deadline, fetched);
            let fetched = async { (href, fetched.await.unwrap_or_else(|_| Err("not in time".to_owned()))) };
            fetches.spawn(fetched.in_current_span());
        }
        let mut documents = Vec::new();
        while let Some(joined) = fetches.join_next().await {
            match joined {
                Ok((href, Ok(html))) => documents.push((href, html)),
                Ok((href, Err(error))) => tracing::warn!(href, error, "nothing is taken from this document"),
                Err(panic) => tracing::warn!(error = %panic, "nothing is taken from a document"),
            }
        }
        documents
    }
}

async fn fetch(internal: Internal, asked: Request<Body>, from: http::Extensions) -> Result<String, String> {
    let response = internal.request(asked, &from).await.map_err(|error| error.to_string())?;
    if response.status() != StatusCode::OK {
        return Err(response.status().to_string());
    }
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.to_ascii_lowercase().contains("html") {
        return Err(format!("no HTML but {kind:?}"));
    }
    let body = Limited::new(response.into_body(), MAX_DOCUMENT)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    String::from_utf8(body.to_bytes().into()).map_err(|_| "not UTF-8".to_owned())
}
