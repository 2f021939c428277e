//! The theme as a transform.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use euryale_core::ledger::Book;
use euryale_core::request::Peer;
use euryale_core::{BoxError, Ledger};
use euryale_diazo::{Context, Parameter, Theme};
use euryale_transform::{Page, Transform, TransformPage, order};
use http::header::HOST;
use http::{Response, request, response};
use percent_encoding::percent_decode_str;

use crate::DocumentBook;
use crate::documents::Documents;
use crate::live::LiveTheme;
use crate::page::PageTheme;
use crate::set::ThemeSet;

/// Parameters of the rules (`$name`) that a publisher sets for its page, in the extensions of its
/// response.
///
/// A publisher computes them in its transaction; the page is themed after the transaction.
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
    /// Creates an empty set of parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a parameter.
    #[must_use]
    pub fn set(mut self, name: impl Into<String>, value: impl Into<Parameter>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }
}

/// Themes pages in the chain of [`euryale-transform`](euryale_transform). It has the order 8850,
/// needs the whole page, and runs on the threads for CPU work.
///
/// Rules can use `$path` (decoded), and `$host`, `$scheme`, `$base` and `$url` (not decoded,
/// without the query) of the request as this server received it: the scheme is `https` if the
/// socket uses TLS. Behind a proxy the client may see another address: a function of the request
/// ([`parameters`](Self::parameters)) can set these names, for example from the `PublicUrl` of
/// `euryale-forwarded`. `$portal_url` is the same as `$base`, and `$ajax_load` is the value of
/// `ajax_load` in the query. Plone's default theme asks for both.
///
/// Documents that rules take content from are fetched first, through
/// [`Internal`](euryale_core::request::Internal), at most eight at a time, on behalf of the client
/// of the page; their route is `theme`. A relative `href` is resolved against the page. A document
/// counts as empty if the answer is not a 200 with HTML or is late. Such a document is logged, and
/// counted by the chain's ledger (`euryale_theme_documents_total`). Documents are not themed, so a
/// page that takes content from itself gets it from its unthemed form.
///
/// The caching rules of a page are the strictest combination of its own and its documents'
/// ([`Caching`]); a page in which a document is missing is not stored.
///
/// A response with the header `X-Theme-Disabled`, which Plone sets, is not themed.
///
/// [`Caching`]: euryale_subrequest::Caching
#[derive(Clone)]
pub struct ThemeTransform {
    themes: Themes,
    name: Cow<'static, str>,
    has_version: bool,
    document_deadline: Duration,
    parameters: Option<ByRequest>,
}

/// The themes of pages.
#[derive(Clone, Debug)]
enum Themes {
    /// All pages have this theme.
    One(LiveTheme),
    /// Each page names its own, which is from this set.
    OfPages(ThemeSet),
}

type ByRequest = Arc<dyn Fn(&request::Parts) -> ThemeParameters + Send + Sync>;

impl fmt::Debug for ThemeTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThemeTransform")
            .field("themes", &self.themes)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ThemeTransform {
    /// Themes pages with this theme, under the name `theme`.
    pub fn new(theme: LiveTheme) -> Self {
        Self::with(Themes::One(theme))
    }

    /// Themes the pages whose response has a [`PageTheme`] in its extensions, under the name
    /// `theme`. With [`keep_tags`](Self::keep_tags), the version in their tags is that of all
    /// themes in the set.
    pub fn of_pages(themes: ThemeSet) -> Self {
        Self::with(Themes::OfPages(themes))
    }

    fn with(themes: Themes) -> Self {
        let document_deadline = Duration::from_secs(5);
        Self {
            themes,
            name: Cow::Borrowed("theme"),
            has_version: false,
            document_deadline,
            parameters: None,
        }
    }

    /// Sets the name for the log, the metrics and the off switch.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The maximum time for all documents that the rules of one page take content from, including
    /// their wait for connections. Keep it below the chain's own deadline, at which the page is
    /// sent unthemed. Default: 5 s.
    #[must_use]
    pub fn document_deadline(mut self, within: Duration) -> Self {
        self.document_deadline = within;
        self
    }

    /// Sets parameters by a function of the request. Parameters in the response override them.
    /// Default: none.
    #[must_use]
    pub fn parameters(
        mut self,
        rule: impl Fn(&request::Parts) -> ThemeParameters + Send + Sync + 'static,
    ) -> Self {
        self.parameters = Some(Arc::new(rule));
        self
    }

    /// Gives themed pages an `ETag`, which is made of their own and the theme's version. This is
    /// correct only if the rules depend on nothing but the page and its path: they must use no
    /// parameters and no `href`. Default: no `ETag`.
    #[must_use]
    pub fn keep_tags(mut self) -> Self {
        self.has_version = true;
        self
    }

    /// Returns the theme of a page with these extensions, as it currently is.
    fn theme_of(&self, extensions: &http::Extensions) -> Option<Arc<Theme>> {
        match &self.themes {
            Themes::One(theme) => theme.theme(),
            Themes::OfPages(_) => extensions.get::<PageTheme>()?.theme.theme(),
        }
    }
}

impl Transform for ThemeTransform {
    fn name(&self) -> &str {
        &self.name
    }

    fn order(&self) -> i32 {
        order::THEME
    }

    fn applies(&self, _page: &Page, response: &response::Parts) -> bool {
        !response.headers.contains_key("x-theme-disabled")
            && self.theme_of(&response.extensions).is_some()
    }

    fn version(&self) -> Option<Cow<'_, str>> {
        if !self.has_version {
            return None;
        }
        let version = match &self.themes {
            Themes::One(theme) => theme.theme()?.version().to_owned(),
            Themes::OfPages(themes) => themes.version(),
        };
        Some(version.into())
    }

    fn book(&self, ledger: &Ledger) -> Option<Arc<dyn Book>> {
        Some(ledger.of::<DocumentBook>())
    }
}

impl TransformPage for ThemeTransform {
    async fn transform(
        &self,
        page: &Page,
        response: Response<String>,
    ) -> Result<Response<String>, BoxError> {
        let Some(theme) = self.theme_of(response.extensions()) else {
            return Ok(response);
        };
        let (mut head, content) = response.into_parts();
        let page_theme = head.extensions.get::<PageTheme>().cloned();
        let mut context = request_context(page.request());
        let by_request = self.parameters.as_ref().map(|rule| rule(page.request()));
        for (name, value) in by_request.into_iter().flat_map(|parameters| parameters.0) {
            context = context.parameter(name, value);
        }
        if let Some(ThemeParameters(set)) = head.extensions.get() {
            for (name, value) in set {
                context = context.parameter(name.clone(), value.clone());
            }
        }
        let hrefs: Vec<String> = theme.documents(&context).map(str::to_owned).collect();
        let caching = if hrefs.is_empty() {
            None
        } else {
            let documents = Documents::fetch(page, hrefs, self.document_deadline).await;
            for (href, html) in documents.html {
                context = context.document(href, html);
            }
            Some(documents.caching)
        };
        let themed = page.cpu().run(move || {
            let themed = theme.apply_logged(&content, &context, &mut |message| {
                let file = message.file().display();
                let line = message.line();
                tracing::info!(%file, line, text = message.text(), "a rule of the theme says");
            })?;
            Ok::<_, BoxError>(match themed {
                Cow::Owned(themed) => match page_theme {
                    Some(page_theme) => page_theme.finish(&content, themed),
                    None => themed,
                },
                Cow::Borrowed(_) => content,
            })
        });
        let themed = themed.await??;
        if let Some(caching) = caching {
            caching.apply(&mut head.headers);
        }
        Ok(Response::from_parts(head, themed))
    }
}

/// Returns the context of the page that this request asks for: its path, and the parameters that
/// rules can use. [`ThemeTransform`] starts with this context; tools that apply a theme without a
/// server can do the same.
///
/// HTTP/1.1 requests to an origin have no scheme (RFC 9112 §3.2.1). The scheme is then that of the
/// socket.
#[must_use]
pub fn request_context(request: &request::Parts) -> Context<'static> {
    let written = request.uri.path();
    let path = percent_decode_str(written).decode_utf8_lossy().into_owned();
    let named = request
        .headers
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    let host = request
        .uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or(named)
        .unwrap_or_default();
    let is_tls = request.extensions.get::<Peer>().is_some_and(Peer::is_tls);
    let scheme = request
        .uri
        .scheme_str()
        .unwrap_or(if is_tls { "https" } else { "http" });
    let scheme = scheme.to_ascii_lowercase();
    let base = format!("{scheme}://{host}");
    Context::new(path)
        .parameter("host", host.to_ascii_lowercase())
        .parameter("scheme", scheme)
        .parameter("url", format!("{base}{written}"))
        .parameter("portal_url", base.clone())
        .parameter("base", base)
        .parameter("ajax_load", of_query(request, "ajax_load"))
}

/// Returns the first value of this name in the query, or an empty string.
fn of_query(request: &request::Parts, name: &str) -> String {
    let query = request.uri.query().unwrap_or_default();
    let mut pairs = query.split('&').filter_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    });
    let written = pairs.next().unwrap_or_default().replace('+', " ");
    percent_decode_str(&written)
        .decode_utf8_lossy()
        .into_owned()
}
