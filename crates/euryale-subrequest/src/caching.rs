//! The caching rules of a page that is composed of several answers.

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};

/// The caching rules of a page that contains answers to [sub-requests](crate::sub_request): the
/// strictest combination of their rules.
///
/// The answers were requested with the cookies of one client. A `public` page must not show others
/// data for that client, so code that composes a page from several answers has to narrow the page's
/// headers by theirs.
///
/// ```
/// use euryale_subrequest::Caching;
/// use http::HeaderMap;
/// use http::header::{CACHE_CONTROL, HeaderValue};
///
/// let says = |value| HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]);
/// let mut page = says("public, max-age=600");
/// let mut parts = Caching::default();
/// parts.and(&Caching::of(&says("max-age=60")));
/// parts.and(&Caching::of(&says("private")));
/// parts.apply(&mut page);
/// assert_eq!(page[CACHE_CONTROL], "private, max-age=60");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caching {
    no_store: bool,
    private: bool,
    no_cache: bool,
    max_age: Option<u64>,
    s_maxage: Option<u64>,
    vary: Vec<HeaderValue>,
}

impl Caching {
    /// Returns the rules of an answer with these headers (RFC 9111 §5.2.2, RFC 9110 §12.5.5). An
    /// answer that sets a cookie is private.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let mut caching = Self {
            vary: headers.get_all(header::VARY).iter().cloned().collect(),
            ..Self::default()
        };
        for (name, value) in directives(headers) {
            let seconds = || value.and_then(|value| value.trim_matches('"').parse().ok());
            match name.to_ascii_lowercase().as_str() {
                "no-store" => caching.no_store = true,
                "private" => caching.private = true,
                "no-cache" => caching.no_cache = true,
                // A malformed age counts as 0 (RFC 9111 §4.2.1).
                "max-age" => caching.max_age = Some(seconds().unwrap_or(0)),
                "s-maxage" => caching.s_maxage = Some(seconds().unwrap_or(0)),
                _ => {}
            }
        }
        // A cookie identifies its reader, so the answer is private.
        caching.private |= headers.contains_key(header::SET_COOKIE);
        caching
    }

    /// Returns the rules of a page that must not be stored, because a part is missing or the rules
    /// of its parts are not known yet.
    #[must_use]
    pub fn never() -> Self {
        Self {
            no_store: true,
            ..Self::default()
        }
    }

    /// Narrows the rules by those of another answer, for a page that contains both.
    pub fn and(&mut self, other: &Self) {
        self.no_store |= other.no_store;
        self.private |= other.private;
        self.no_cache |= other.no_cache;
        self.max_age = least(self.max_age, other.max_age);
        self.s_maxage = least(self.s_maxage, other.s_maxage);
        for vary in &other.vary {
            if !self.vary.contains(vary) {
                self.vary.push(vary.clone());
            }
        }
    }

    /// Narrows the page's own headers. Missing directives are not added, so that a part never makes
    /// a page cacheable by itself. `ETag` and `Last-Modified` are removed.
    pub fn apply(mut self, headers: &mut HeaderMap) {
        let own = Self::of(headers);
        let is_public = own.max_age.is_some()
            || own.s_maxage.is_some()
            || headers.contains_key(header::EXPIRES);
        self.and(&own);
        for name in [header::ETAG, header::LAST_MODIFIED] {
            // These fields describe the page itself and not its parts.
            headers.remove(name);
        }
        headers.remove(header::VARY);
        for vary in self.vary.drain(..) {
            headers.append(header::VARY, vary);
        }
        if let Some(value) = self.directives(headers, is_public) {
            headers.insert(header::CACHE_CONTROL, value);
            if self.no_store {
                headers.remove(HeaderName::from_static("expires"));
            }
        }
    }

    fn directives(&self, headers: &HeaderMap, is_public: bool) -> Option<HeaderValue> {
        if self.no_store {
            return Some(HeaderValue::from_static("no-store"));
        }
        const OURS: [&str; 5] = ["no-store", "private", "no-cache", "max-age", "s-maxage"];
        let mut all: Vec<String> = Vec::new();
        for (name, value) in directives(headers) {
            let is_ours = OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours));
            let is_refuted = self.private && name.eq_ignore_ascii_case("public");
            if !is_ours && !is_refuted {
                all.push(value.map_or_else(|| name.to_owned(), |value| format!("{name}={value}")));
            }
        }
        all.extend(self.private.then(|| "private".to_owned()));
        all.extend(self.no_cache.then(|| "no-cache".to_owned()));
        if is_public {
            all.extend(self.max_age.map(|age| format!("max-age={age}")));
            // Without its own directive, a shared cache follows `max-age`.
            let shared = self.s_maxage.filter(|_| !self.private);
            all.extend(
                least(shared, shared.and(self.max_age)).map(|age| format!("s-maxage={age}")),
            );
        }
        if all.is_empty() {
            None
        } else {
            HeaderValue::try_from(all.join(", ")).ok()
        }
    }
}

fn least(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn directives(headers: &HeaderMap) -> impl Iterator<Item = (&str, Option<&str>)> {
    let values = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(|directive| match directive.split_once('=') {
            Some((name, value)) => (name.trim_end(), Some(value.trim_start())),
            None => (directive, None),
        })
}
