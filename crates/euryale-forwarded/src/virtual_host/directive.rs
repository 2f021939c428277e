//! The grammar of VirtualHostMonster.

use http::Uri;
use http::request::Parts;
use http::uri::PathAndQuery;

use crate::forward::agree;
use crate::host::Host;
use crate::public_url::{Facts, PublicUrl, is_dots, plain_path};
use crate::refusal::Malformed;
use crate::visit::Visit;

/// The parts of
/// `/VirtualHostBase/<scheme>/<host[:port]>/<root>/VirtualHostRoot/_vh_<a>/_vh_<b>/<path>`.
/// `VirtualHostBase` with its two values, and `VirtualHostRoot`, may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directive {
    pub(crate) base: Option<Base>,
    pub(crate) root: Box<str>,
    pub(crate) prefix: Box<str>,
    /// The rest of the path: empty, or with a leading slash.
    pub(crate) path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    is_https: bool,
    host: Host,
}

const BASE: &str = "VirtualHostBase";
const ROOT: &str = "VirtualHostRoot";
const MALFORMED: Malformed = Malformed("the virtual host in the path");

impl Directive {
    /// Parses a path. Returns `None` if it has no directive.
    ///
    /// If there are several `VirtualHostRoot`, the first one counts, because the path after it was
    /// written by the client. (Zope uses the last one.)
    pub(crate) fn parse(path: &str) -> Result<Option<Self>, Malformed> {
        if !path.contains(BASE) && !path.contains(ROOT) {
            return Ok(None);
        }
        let names: Vec<&str> = path.split('/').collect();
        let start = names
            .iter()
            .position(|name| !name.is_empty())
            .unwrap_or(names.len());
        let (base, names) = match &names[start..] {
            [BASE, scheme, host, rest @ ..] => {
                (Some(Base::parse(scheme, host).ok_or(MALFORMED)?), rest)
            }
            [BASE, ..] => return Err(MALFORMED),
            rest => (None, rest),
        };
        let end_of_root = names.iter().position(|name| *name == ROOT);
        let (real, names) = match end_of_root {
            Some(at) => (&names[..at], &names[at + 1..]),
            None if base.is_some() => (&[][..], names),
            None => return Ok(None),
        };
        // Zope ignores empty names: `…/VirtualHostRoot/$request_uri` creates one.
        let shown = names
            .iter()
            .take_while(|name| name.is_empty() || name.starts_with("_vh_"))
            .count();
        let (shown, rest) = if end_of_root.is_some() {
            names.split_at(shown)
        } else {
            (&[][..], names)
        };
        let shown = shown.iter().filter_map(|name| name.strip_prefix("_vh_"));
        let prefix = plain_path(&joined(shown)).ok_or(MALFORMED)?;
        let label = base.as_ref().map(Base::first_label);
        let real = real
            .iter()
            .filter(|name| !name.is_empty())
            .map(|name| match (*name, label) {
                ("*", Some(label)) => label.ok_or(MALFORMED),
                (name, _) => Ok(name),
            });
        let real = real.collect::<Result<Vec<&str>, Malformed>>()?;
        let root = plain_path(&joined(real.into_iter())).ok_or(MALFORMED)?;
        Ok(Some(Self {
            root,
            prefix,
            path: joined_all(rest),
            base,
        }))
    }

    /// Returns the same directive for another path.
    pub(crate) fn behind(&self, path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// Rewrites the request for the application.
    pub(crate) fn apply(&self, parts: &mut Parts) -> Result<(), Malformed> {
        // Such a path would lead out of the root.
        if !self.root.is_empty() && self.path.split('/').any(is_dots) {
            return Err(MALFORMED);
        }
        let below = if self.path == "/" && !self.root.is_empty() {
            ""
        } else {
            &self.path
        };
        let path = if self.root.is_empty() && below.is_empty() {
            "/"
        } else {
            &format!("{}{below}", self.root)
        };
        let target = match parts.uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let mut uri = parts.uri.clone().into_parts();
        uri.path_and_query = Some(PathAndQuery::try_from(target).map_err(|_| MALFORMED)?);
        parts.uri = Uri::from_parts(uri).map_err(|_| MALFORMED)?;

        let before = PublicUrl::of(&parts.extensions).map(PublicUrl::facts);
        let Facts {
            is_https,
            host,
            prefix,
            ..
        } = before.unwrap_or_else(|| Facts::of(parts));
        let root = self.root.clone();
        let shown = &self.prefix;
        let url = PublicUrl::new(match self.base.clone() {
            Some(base) => Facts {
                is_https: base.is_https,
                host: Some(base.host),
                prefix: shown.clone(),
                root,
            },
            None => Facts {
                is_https,
                host,
                prefix: format!("{prefix}{shown}").into(),
                root,
            },
        });
        if self.base.is_some() {
            agree(parts, &url);
        }
        Visit::put_url(&mut parts.extensions, url);
        Ok(())
    }
}

impl Base {
    fn parse(scheme: &str, host: &str) -> Option<Self> {
        let is_https = match scheme {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        Some(Self {
            is_https,
            host: Host::parse(host)?,
        })
    }

    /// Returns the value of `*` in the path. An address has no labels.
    fn first_label(&self) -> Option<&str> {
        if self.host.is_address() {
            None
        } else {
            self.host.name().split('.').next()
        }
    }
}

/// Joins the names with a slash before each. Empty names are left out.
fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .filter(|name| !name.is_empty())
        .flat_map(|name| ["/", name])
        .collect()
}

/// Joins the names like [`joined`], but leaves out empty ones only at the beginning.
fn joined_all(names: &[&str]) -> String {
    let Some(first) = names.iter().position(|name| !name.is_empty()) else {
        return if names.is_empty() {
            String::new()
        } else {
            "/".to_owned()
        };
    };
    names[first..].iter().flat_map(|name| ["/", name]).collect()
}
