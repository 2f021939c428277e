//! The `environ` dictionary.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::IntoRawFd;

use euryale::Request;
use euryale::forwarded::{Client, PublicUrl};
use euryale::request::Peer;
use euryale_wsgi::Settings;
use euryale_wsgi::environ::{Place, variables};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use crate::file;
use crate::listeners::Named;
use crate::user_field::UserField;

/// The part of `environ` that all requests have in common.
pub(crate) struct Environ {
    base: Py<PyDict>,
    names: CommonNames,
    bytes_io: Py<PyAny>,
    open: Py<PyAny>,
    at: Address,
}

/// The application's address, unless a proxy names another one.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    pub(crate) scheme: String,
    pub(crate) server_name: String,
    pub(crate) port: u16,
    /// The server port of requests over TLS.
    pub(crate) tls_port: u16,
    pub(crate) prefix: String,
    user_field: UserField,
}

impl Address {
    /// Takes the address from the settings, with the host and the ports of the listeners as
    /// defaults.
    pub(crate) fn new(settings: &Settings, named: &Named, user_field: &UserField) -> Self {
        Self {
            scheme: settings.url_scheme.clone(),
            server_name: settings
                .server_name
                .clone()
                .unwrap_or_else(|| named.host.clone()),
            port: named.port,
            tls_port: named.tls_port,
            prefix: settings.url_prefix.clone(),
            user_field: user_field.clone(),
        }
    }

    /// Returns the place for this request. Values from a trusted proxy take precedence.
    fn place<'r>(&'r self, request: &'r Request) -> Place<'r> {
        let extensions = request.extensions();
        let is_tls = extensions.get::<Peer>().is_some_and(Peer::is_tls);
        let own = Place {
            scheme: if is_tls { "https" } else { &self.scheme },
            server_name: Cow::Borrowed(&self.server_name),
            server_port: if is_tls { self.tls_port } else { self.port },
            prefix: &self.prefix,
            outer_prefix: "",
            host: None,
            client: None,
        };
        match (Client::of(extensions), PublicUrl::of(extensions)) {
            (Some(client), Some(url)) if client.is_proxied() => proxied(own, client.ip(), url),
            _ => own,
        }
    }
}

fn proxied<'r>(own: Place<'r>, client: Option<IpAddr>, url: &'r PublicUrl) -> Place<'r> {
    let outer_prefix = url.prefix();
    let own = Place {
        client,
        outer_prefix,
        ..own
    };
    let Some(host) = url.host() else {
        return own;
    };
    let scheme = url.scheme();
    let origin = url.origin().unwrap_or_default();
    let named = origin.split_once("://").map_or(host, |(_, named)| named);
    Place {
        scheme,
        server_name: Cow::Borrowed(host),
        server_port: url.port(),
        host: Some(Cow::Owned(named.to_owned())),
        ..own
    }
}

impl Environ {
    pub(crate) fn new(py: Python<'_>, at: Address) -> PyResult<Self> {
        let base = PyDict::new(py);
        let software = concat!("euryale/", env!("CARGO_PKG_VERSION"));
        base.set_item("SERVER_SOFTWARE", software)?;
        base.set_item("wsgi.version", (1, 0))?;
        base.set_item("wsgi.errors", py.import("sys")?.getattr("stderr")?)?;
        base.set_item("wsgi.multithread", true)?;
        base.set_item("wsgi.multiprocess", false)?;
        base.set_item("wsgi.run_once", false)?;
        base.set_item("wsgi.input_terminated", true)?;
        base.set_item("wsgi.file_wrapper", file::class(py))?;
        let io = py.import("io")?;
        Ok(Self {
            base: base.unbind(),
            names: CommonNames::new(py),
            bytes_io: io.getattr("BytesIO")?.unbind(),
            open: io.getattr("open")?.unbind(),
            at,
        })
    }

    /// Returns the dictionary of one request.
    pub(crate) fn of<'py>(
        &self,
        py: Python<'py>,
        request: &Request,
    ) -> PyResult<Bound<'py, PyDict>> {
        let environ = self.base.bind(py).copy()?;
        for (name, value) in variables(request, &self.at.place(request)) {
            match self.names.get(py, &name) {
                Some(name) => environ.set_item(name, &*value)?,
                None => environ.set_item(&*name, &*value)?,
            }
        }
        if let Some(user) = self.at.user_field.user(request.headers()) {
            environ.set_item(intern!(py, "REMOTE_USER"), &*user)?;
        }
        environ.set_item(intern!(py, "wsgi.input"), self.input(py, request)?)?;
        Ok(environ)
    }

    /// Returns the request's body from its beginning: an object around its bytes, or a file with
    /// its own file description.
    fn input<'py>(&self, py: Python<'py>, request: &Request) -> PyResult<Bound<'py, PyAny>> {
        let body = request.body();
        if let Some(file) = body.reopen()? {
            // Python closes the descriptor.
            return self.open.bind(py).call1((file.into_raw_fd(), "rb"));
        }
        match body.as_bytes() {
            Some(bytes) if !bytes.is_empty() => {
                self.bytes_io.bind(py).call1((PyBytes::new(py, bytes),))
            }
            _ => self.bytes_io.bind(py).call0(),
        }
    }
}

/// The names of entries that most requests have, as strings of Python that are made only once, and
/// whose hash Python computes only once.
struct CommonNames(HashMap<&'static str, Py<PyString>>);

impl CommonNames {
    fn new(py: Python<'_>) -> Self {
        let interned = |name| (name, PyString::intern(py, name).unbind());
        Self(COMMON_NAMES.iter().copied().map(interned).collect())
    }

    fn get<'py>(&self, py: Python<'py>, name: &str) -> Option<&Bound<'py, PyString>> {
        self.0.get(name).map(|name| name.bind(py))
    }
}

/// Entries that do not come from a field, fields that browsers send, and fields that proxies add.
const COMMON_NAMES: &[&str] = &[
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTP_ACCEPT",
    "HTTP_ACCEPT_ENCODING",
    "HTTP_ACCEPT_LANGUAGE",
    "HTTP_AUTHORIZATION",
    "HTTP_CACHE_CONTROL",
    "HTTP_CONNECTION",
    "HTTP_COOKIE",
    "HTTP_DNT",
    "HTTP_FORWARDED",
    "HTTP_HOST",
    "HTTP_IF_MODIFIED_SINCE",
    "HTTP_IF_NONE_MATCH",
    "HTTP_ORIGIN",
    "HTTP_PRAGMA",
    "HTTP_PRIORITY",
    "HTTP_RANGE",
    "HTTP_REFERER",
    "HTTP_SEC_CH_UA",
    "HTTP_SEC_CH_UA_MOBILE",
    "HTTP_SEC_CH_UA_PLATFORM",
    "HTTP_SEC_FETCH_DEST",
    "HTTP_SEC_FETCH_MODE",
    "HTTP_SEC_FETCH_SITE",
    "HTTP_SEC_FETCH_USER",
    "HTTP_UPGRADE_INSECURE_REQUESTS",
    "HTTP_USER_AGENT",
    "HTTP_VIA",
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REAL_IP",
    "HTTP_X_REQUESTED_WITH",
    "PATH_INFO",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "REQUEST_METHOD",
    "REQUEST_URI",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "wsgi.url_scheme",
];
