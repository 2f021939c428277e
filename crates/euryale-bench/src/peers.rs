//! The peers that are measured: those built into this program, and those that `setup` installs.

mod nginx;
mod program;
mod python;
mod server;

use self::program::output;
pub(crate) use self::program::{other, own, which};
pub(crate) use self::python::{DIAZO, INSTALLED, VENVS, Venv, cache, diazo};
pub(crate) use self::server::Server;
use crate::machine;

/// A server that can be started for a scene.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether this is Euryale, and not one of its peers.
    pub(crate) ours: bool,
    pub(crate) how: How,
}

pub(crate) enum How {
    /// Built into this program. The versions of these packages identify it.
    BuiltIn(&'static [&'static str]),
    Nginx {
        sendfile: bool,
    },
    Python(&'static Venv),
    /// A program that does not exist, to test how missing peers are reported.
    Nowhere,
}

const fn built_in(
    name: &'static str,
    about: &'static str,
    ours: bool,
    packages: &'static [&'static str],
) -> Peer {
    Peer {
        name,
        about,
        ours,
        how: How::BuiltIn(packages),
    }
}

const fn python(name: &'static str, about: &'static str, venv: &'static Venv) -> Peer {
    Peer {
        name,
        about,
        ours: false,
        how: How::Python(venv),
    }
}

const fn ours(name: &'static str, about: &'static str, venv: &'static Venv) -> Peer {
    Peer {
        ours: true,
        ..python(name, about, venv)
    }
}

const AXUM: &[&str] = &["axum", "hyper", "tokio"];
const OURS: &[&str] = &["euryale", "hyper", "tokio"];

pub(crate) const ALL: &[Peer] = &[
    built_in("bare", "axum handler, no worker", false, AXUM),
    built_in(
        "semaphore",
        "axum; a semaphore's permit, moved into `spawn_blocking`",
        false,
        AXUM,
    ),
    built_in(
        "threads",
        "axum; dedicated threads on a crossbeam channel, oneshot back",
        false,
        &["axum", "crossbeam-channel"],
    ),
    built_in("pool-run", "axum handler on `Pool::run`", true, OURS),
    built_in(
        "pool-run-untimed",
        "as `pool-run`, with no bound on the wait",
        true,
        OURS,
    ),
    built_in(
        "stack",
        "`Stack` on `axum::serve`; the publisher uses its connection",
        true,
        OURS,
    ),
    built_in(
        "stack-lazy",
        "as `stack`; the publisher never asks for its connection",
        true,
        OURS,
    ),
    built_in("euryale", "`Stack` on our own server", true, OURS),
    built_in(
        "euryale-proxied",
        "as `euryale`, with `Forwarded` and `VirtualHost` around the stack, for a trusted peer",
        true,
        OURS,
    ),
    built_in(
        "euryale-read",
        "as `euryale`; files are read and written, not sent by the kernel",
        true,
        OURS,
    ),
    built_in(
        "deadpool",
        "axum; deadpool's manager of rusqlite",
        false,
        &["axum", "deadpool", "rusqlite"],
    ),
    built_in(
        "tower-http",
        "axum; `ServeDir`, which is `ServeFile` for a folder",
        false,
        &["axum", "tower-http"],
    ),
    built_in(
        "actix-files",
        "actix-web; `Files`",
        false,
        &["actix-web", "actix-files"],
    ),
    Peer {
        name: "nginx",
        about: "one worker process, sendfile on",
        ours: false,
        how: How::Nginx { sendfile: true },
    },
    Peer {
        name: "nginx-read",
        about: "one worker process, sendfile off",
        ours: false,
        how: How::Nginx { sendfile: false },
    },
    python(
        "granian",
        "WSGI, one process, blocking threads as the cap",
        &python::GRANIAN,
    ),
    python(
        "gunicorn",
        "one process, threads as the cap",
        &python::GUNICORN,
    ),
    python("waitress", "threads as the cap", &python::WAITRESS),
    python(
        "zope",
        "Zope under waitress, threads as the cap; a view published in a transaction",
        &python::ZOPE,
    ),
    ours(
        "wsgi",
        "this project's Python package, threads as the cap",
        &python::WSGI,
    ),
    python("pyruvate", "threads as the cap", &python::PYRUVATE),
    ours(
        "wsgi-zope",
        "Zope under this project's Python package, threads as the cap",
        &python::WSGI_ZOPE,
    ),
    ours(
        "wsgi-zope-contending",
        "as `wsgi-zope`, with `--gil-turns off`",
        &python::WSGI_ZOPE_CONTENDING,
    ),
    python(
        "granian-zope",
        "Zope under granian, blocking threads as the cap",
        &python::GRANIAN_ZOPE,
    ),
    python(
        "gunicorn-zope",
        "Zope under gunicorn, threads as the cap",
        &python::GUNICORN_ZOPE,
    ),
    python(
        "pyruvate-zope",
        "Zope under pyruvate, threads as the cap",
        &python::PYRUVATE_ZOPE,
    ),
    Peer {
        name: "plone",
        about: "Plone under this project's Python package, threads as the cap",
        ours: true,
        how: How::Python(&python::PLONE),
    },
    python(
        "plone-waitress",
        "the same site under waitress, threads as the cap",
        &python::PLONE_WAITRESS,
    ),
    python(
        "twisted",
        "Twisted's own web server, one thread",
        &python::TWISTED,
    ),
    built_in("sound", "answers as it should", false, &[]),
    built_in("late", "answers after 50 ms", false, &[]),
    built_in("wrong-page", "answers fast, but wrong", false, &[]),
    built_in(
        "corrupt",
        "one byte in the middle of a blob is wrong",
        false,
        &[],
    ),
    built_in("truncating", "sends half of what it announces", false, &[]),
    built_in("failing", "answers 500", false, &[]),
    built_in(
        "failing-under-load",
        "answers the first requests, and 500 from then on",
        false,
        &[],
    ),
    built_in("silent", "hangs up without an answer", false, &[]),
    built_in("dying", "ends under load", false, &[]),
    Peer {
        name: "nowhere",
        about: "is not installed",
        ours: false,
        how: How::Nowhere,
    },
];

/// The peer of this name.
pub(crate) fn find(name: &str) -> Option<&'static Peer> {
    ALL.iter().find(|peer| peer.name == name)
}

impl Peer {
    /// Returns why it cannot be started on this machine.
    pub(crate) fn missing(&self) -> Option<String> {
        let missing = match &self.how {
            How::BuiltIn(_) => return None,
            How::Nginx { .. } => which("nginx").is_none().then_some("nginx"),
            How::Python(venv) => (!venv.is_installed()).then_some(venv.name),
            How::Nowhere => Some("a program that nobody has"),
        };
        Some(format!(
            "{} is not installed; `-- setup` installs the servers",
            missing?
        ))
    }

    /// Returns the version that the program reports.
    pub(crate) fn version(&self) -> String {
        match &self.how {
            How::BuiltIn(packages) => machine::locked(packages),
            How::Nginx { .. } => output("nginx", &["-v"]).replace("nginx version: ", ""),
            How::Python(venv) => venv.version(),
            How::Nowhere => String::new(),
        }
    }
}
