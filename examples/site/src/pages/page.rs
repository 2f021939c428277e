//! The pages of the site: one template around documents, results and whatever goes wrong. A
//! [theme](crate::pages::theme) decides what they look like.

use std::sync::Arc;

use euryale::forwarded::PublicUrl;
use euryale::respond::accepts_html;
use euryale::{Body, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use minijinja::{AutoEscape, Environment, Value, context};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::cli::size;
use crate::pages::markdown::Target;
use crate::pages::picture;
use crate::serve::permits::Permits;
use crate::serve::public;
use crate::store::{Entry, FileEntry, Portion};

const TEMPLATES: [(&str, &str); 12] = [
    ("page", include_str!("../../templates/page.html")),
    ("counter", include_str!("../../templates/counter.html")),
    ("feed", include_str!("../../templates/feed.html")),
    ("form", include_str!("../../templates/form.html")),
    ("list", include_str!("../../templates/list.html")),
    ("missing", include_str!("../../templates/missing.html")),
    ("news", include_str!("../../templates/news.html")),
    ("numbers", include_str!("../../templates/numbers.html")),
    ("recent", include_str!("../../templates/recent.html")),
    ("remove", include_str!("../../templates/remove.html")),
    ("upload", include_str!("../../templates/upload.html")),
    ("search", include_str!("../../templates/search.html")),
];

/// No script runs on a page, whatever a document contains. Other sites cannot show a page in a
/// frame, where a reader could be tricked into clicking on it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; \
    form-action 'self'; \
     frame-ancestors 'none'";

/// Characters that a path must not contain unescaped (RFC 3986 §3.3), that would end it, or that
/// have a meaning in HTML.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Renders pages. Clones are cheap.
#[derive(Clone)]
pub(crate) struct Pages {
    environment: Arc<Environment<'static>>,
    /// The address at which the browser sees the site, if it is a different one.
    url: Option<PublicUrl>,
    /// The reader's permissions.
    permits: Permits,
}

/// A page, ready to be rendered.
#[derive(Default)]
pub(crate) struct View<'a> {
    pub(crate) title: &'a str,
    /// The document's path; `None` for a page that is not a document.
    pub(crate) path: Option<&'a str>,
    /// The navigation; without one, only the root is shown.
    pub(crate) sections: Option<&'a Portion<Entry>>,
    pub(crate) ancestors: &'a [Entry],
    /// As HTML.
    pub(crate) body: String,
    /// The addresses of the parts beside it.
    pub(crate) tiles: &'a [String],
    pub(crate) children: &'a [Entry],
    /// Whether it has children, listed or not.
    pub(crate) is_folder: bool,
    pub(crate) files: &'a [FileEntry],
    /// The address of the page on which the lists of children and files go on.
    pub(crate) more: Option<String>,
    /// The moment of the last change, as `2026-01-31T12:00Z`.
    pub(crate) modified: Option<&'a str>,
    /// The sentence about what a form has done.
    pub(crate) notice: Option<&'a str>,
    /// The folder that the search form searches; the whole site if empty.
    pub(crate) search_in: &'a str,
    /// The search words.
    pub(crate) words: &'a str,
}

impl View<'_> {
    /// The class of the page's body, with which a theme selects a layout.
    fn kind(&self) -> &'static str {
        match self.path {
            Some("/") => "home",
            Some(_) => "content",
            None => "result",
        }
    }
}

/// A request that is answered with an error of the client's.
pub(crate) struct Problem<'a> {
    status: StatusCode,
    detail: &'a str,
    sections: Option<&'a Portion<Entry>>,
    offers: &'a str,
}

impl<'a> Problem<'a> {
    /// `detail` is a sentence that says what to do.
    pub(crate) fn new(status: StatusCode, detail: &'a str) -> Self {
        Self {
            status,
            detail,
            sections: None,
            offers: "",
        }
    }

    /// With these in the navigation.
    pub(crate) fn sections(mut self, sections: &'a Portion<Entry>) -> Self {
        self.sections = Some(sections);
        self
    }

    /// With HTML below the sentence, on a page: where else to go.
    pub(crate) fn offers(mut self, html: &'a str) -> Self {
        self.offers = html;
        self
    }

    fn title(&self) -> &'static str {
        self.status.canonical_reason().unwrap_or("Error")
    }

    /// As RFC 9457 has it.
    fn json(&self) -> String {
        let status = self.status.as_u16();
        let title = self.title();
        let detail = self.detail;
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": title,
            "status": status,
            "detail": detail,
        });
        format!("{problem}\n")
    }
}

impl Pages {
    /// Compiles the templates.
    pub(crate) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        for (name, source) in TEMPLATES {
            // The templates are part of the program, and tests render them.
            environment
                .add_template(name, source)
                .expect("the template compiles");
        }
        Self {
            environment: Arc::new(environment),
            url: None,
            permits: Permits::default(),
        }
    }

    /// For a browser that sees the site at this address.
    pub(crate) fn at(&self, url: Option<PublicUrl>) -> Self {
        Self {
            url,
            ..self.clone()
        }
    }

    /// For a reader with these permissions.
    pub(crate) fn permitting(self, permits: Permits) -> Self {
        Self { permits, ..self }
    }

    /// The address of a path, as an attribute value. It contains no characters that HTML must
    /// escape.
    pub(crate) fn href(&self, path: &str) -> Value {
        Value::from_safe_string(self.link(&encoded(path)).unwrap_or_else(|| encoded(path)))
    }

    /// Returns the address of an encoded path, for redirects. It is the path itself if the path has
    /// no address for the browser.
    pub(crate) fn location(&self, path: &str) -> String {
        self.link(path).unwrap_or_else(|| path.to_owned())
    }

    /// Returns the address of an encoded path, or `None` if the browser has no address for it.
    pub(crate) fn link(&self, path: &str) -> Option<String> {
        self.url
            .as_ref()
            .map_or_else(|| Some(path.to_owned()), |url| url.path(path))
    }

    /// Returns a path as readers see it in addresses, but without encoding, for use in a sentence.
    pub(crate) fn seen(&self, path: &str) -> String {
        let address = self.location(&encoded(path));
        percent_decode_str(&address)
            .decode_utf8_lossy()
            .into_owned()
    }

    /// The site's own path for one that its reader named, relative to the reader's root.
    pub(crate) fn inner(&self, path: &str) -> String {
        let root = self.url.as_ref().map_or("", |url| url.root());
        let root = percent_decode_str(root).decode_utf8_lossy();
        if root.is_empty() || path != "/" {
            format!("{root}{path}")
        } else {
            root.into_owned()
        }
    }

    /// Returns whether its reader may write.
    pub(crate) fn can_write(&self) -> bool {
        self.permits.writes
    }

    /// The target of a link in a document.
    pub(crate) fn target(&self, path: &str) -> Target {
        let is_refused = |uri: &Uri| self.permits.refuse(&Method::GET, uri);
        if path.parse().is_ok_and(|uri| is_refused(&uri)) {
            return Target::Refused;
        }
        self.link(path).map_or(Target::AsWritten, Target::At)
    }

    /// The address of the first page that the browser sees.
    pub(crate) fn home(&self) -> Value {
        self.own("/")
    }

    /// The address of a path, as an attribute, if the browser sees it.
    pub(crate) fn visible(&self, path: &str) -> Option<Value> {
        self.link(&encoded(path)).map(Value::from_safe_string)
    }

    /// The address of one of the site's own resources, which are visible from everywhere.
    pub(crate) fn own(&self, path: &str) -> Value {
        let prefix = self.url.as_ref().map_or("", |url| url.prefix());
        Value::from_safe_string(format!("{prefix}{path}"))
    }

    /// The same, if a request for it is not refused.
    pub(crate) fn own_link(&self, path: &'static str) -> Option<Value> {
        let refused = self.permits.refuse(&Method::GET, &Uri::from_static(path));
        (!refused).then(|| self.own(path))
    }

    /// For the template: each entry that the browser sees, with its `aria-current` on the page at
    /// `path` ("page", or "true" for folders that contain the page).
    fn entries(&self, entries: &[Entry], path: Option<&str>) -> Vec<Value> {
        let current = |entry: &Entry| {
            let path = path?;
            let below = path.strip_prefix(entry.path.as_str())?;
            match below {
                "" => Some("page"),
                _ if below.starts_with('/') => Some("true"),
                _ => None,
            }
        };
        let value = |entry: &Entry| {
            let href = self.visible(&entry.path)?;
            Some(context! { href, title => &entry.title, current => current(entry) })
        };
        entries.iter().filter_map(value).collect()
    }

    /// For the template: a file with its name and how large it is.
    fn file(&self, file: &FileEntry) -> Value {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let preview = picture::can_be_scaled(&file.content_type);
        context! { href => self.href(&file.path), name, size => size::shown(file.size), preview }
    }

    /// The page, as HTML.
    ///
    /// # Errors
    /// The template's; a mistake in this program.
    pub(crate) fn render(&self, view: &View<'_>) -> Result<String, minijinja::Error> {
        let search_in = if view.search_in.is_empty() {
            self.home()
        } else {
            self.href(view.search_in)
        };
        let home = [Entry::home()];
        let sections = view
            .sections
            .map_or(&home[..], |sections| &sections.entries);
        let has_more_sections = view.sections.is_some_and(|sections| sections.more);
        self.environment.get_template("page")?.render(context! {
            title => view.title,
            home => self.home(),
            sections => self.entries(sections, view.path),
            has_more_sections,
            ancestors => self.entries(view.ancestors, None),
            body => Value::from_safe_string(view.body.clone()),
            children => self.entries(view.children, None),
            is_folder => view.is_folder,
            files => view.files.iter().map(|entry| self.file(entry)).collect::<Vec<_>>(),
            more => view.more.clone().map(Value::from_safe_string),
            modified => view.modified,
            notice => view.notice,
            document => view.path.map(|path| self.href(path)),
            can_write => self.permits.writes,
            is_first => view.path == Some("/"),
            search_in,
            words => view.words,
            tiles => view.tiles.to_vec(),
            kind => view.kind(),
        })
    }

    /// The inner part of a page, as HTML.
    ///
    /// # Errors
    /// The template's; a mistake in this program.
    pub(crate) fn fragment(&self, name: &str, context: Value) -> Result<String, minijinja::Error> {
        self.environment.get_template(name)?.render(context)
    }

    /// Answers with `problem`: as a page for clients that accept HTML, and as JSON for others.
    pub(crate) fn problem(&self, problem: &Problem<'_>, headers: &HeaderMap) -> Response {
        self.answer(problem, accepts_html(headers))
    }

    /// The page of a server error. Called by a layer that answers other clients itself, and sets
    /// status, Retry-After and Vary.
    pub(crate) fn failure(&self, failure: &euryale::respond::Problem) -> Response {
        let detail = match failure.status {
            // This is the only place where a form gets lost.
            StatusCode::PAYLOAD_TOO_LARGE => {
                &format!("{} Go back: your browser still has it.", failure.detail())
            }
            _ => failure.detail(),
        };
        self.at(public::here())
            .answer(&Problem::new(failure.status, detail), true)
    }

    /// Answers with `problem`.
    pub(crate) fn answer(&self, problem: &Problem<'_>, wants_html: bool) -> Response {
        let page = wants_html
            .then(|| self.problem_page(problem))
            .and_then(Result::ok);
        let mut response = match page {
            Some(page) => html(problem.status, page),
            None => typed(problem.status, problem.json(), "application/problem+json"),
        };
        response
            .headers_mut()
            .insert(VARY, HeaderValue::from_static("accept"));
        response
    }

    fn problem_page(&self, problem: &Problem<'_>) -> Result<String, minijinja::Error> {
        let detail = minijinja::HtmlEscape(problem.detail);
        self.render(&View {
            title: problem.title(),
            sections: problem.sections,
            body: format!(
                "<p>{detail}</p>\n{}\n<p class=\"status\">Status {}</p>\n",
                problem.offers,
                problem.status.as_u16()
            ),
            ..View::default()
        })
    }
}

/// A document's path as written in a URL.
pub(crate) fn encoded(path: &str) -> String {
    utf8_percent_encode(path, UNSAFE).to_string()
}

/// A page, as a response.
pub(crate) fn html(status: StatusCode, page: String) -> Response {
    let mut response = typed(status, page, "text/html; charset=utf-8");
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Plain text that must not be cached.
pub(crate) fn text(text: String) -> Response {
    let mut response = typed(StatusCode::OK, text, "text/plain; charset=utf-8");
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn typed(status: StatusCode, text: String, content_type: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
