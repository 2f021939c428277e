//! Servers from PyPI, each in a virtual environment of its own below the user's cache folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::program::{PATIENCE, other, output};
use crate::scene::{Scene, Wire};

/// The files that are served, in addition to the server's own configuration.
const APPS: [(&str, &str); 5] = [
    ("app.py", include_str!("../../peers/app.py")),
    ("plone_app.py", include_str!("../../peers/plone_app.py")),
    (
        "pyruvate_app.py",
        include_str!("../../peers/pyruvate_app.py"),
    ),
    ("zope_app.py", include_str!("../../peers/zope_app.py")),
    ("twisted_app.py", include_str!("../../peers/twisted_app.py")),
];

/// A virtual environment with a server.
pub(crate) struct Venv {
    pub(crate) name: &'static str,
    /// The packages for pip; the version of the first is reported.
    pub(crate) packages: &'static [&'static str],
    /// The program in the environment's `bin`.
    pub(crate) program: &'static str,
    /// The arguments, in which `@PORT@` and `@CAP@` are replaced.
    arguments: &'static [&'static str],
    /// The last arguments: the application, and how it is called.
    application: &'static [&'static str],
    /// The arguments of a Python command that is run in the scene's folder before each start.
    prepare: Option<&'static [&'static str]>,
    /// A package of this project that `setup` builds and installs each time.
    pub(crate) local: Option<&'static str>,
    /// The time that it has until it accepts connections.
    pub(super) patience: Duration,
}

pub(super) const GRANIAN: Venv = Venv {
    name: "granian",
    packages: &["granian", "uvloop"],
    program: "granian",
    arguments: &[
        "--interface",
        "wsgi",
        "--host",
        "127.0.0.1",
        "--port",
        "@PORT@",
        "--workers",
        "1",
        "--blocking-threads",
        "@CAP@",
        "--log-level",
        "error",
    ],
    application: &["app:app"],
    prepare: None,
    local: None,
    patience: PATIENCE,
};

pub(super) const GUNICORN: Venv = Venv {
    name: "gunicorn",
    packages: &["gunicorn"],
    program: "gunicorn",
    arguments: &[
        "--workers",
        "1",
        "--worker-class",
        "gthread",
        "--threads",
        "@CAP@",
        "--bind",
        "127.0.0.1:@PORT@",
        "--log-level",
        "error",
        "--timeout",
        "600",
    ],
    application: &["app:app"],
    prepare: None,
    local: None,
    patience: PATIENCE,
};

pub(super) const WAITRESS: Venv = Venv {
    name: "waitress",
    packages: &["waitress"],
    program: "waitress-serve",
    arguments: &[
        "--host=127.0.0.1",
        "--port=@PORT@",
        "--threads=@CAP@",
        "--connection-limit=20000",
        "--max-request-body-size=68719476736",
    ],
    application: &["app:app"],
    prepare: None,
    local: None,
    patience: PATIENCE,
};

pub(super) const ZOPE: Venv = Venv {
    name: "zope",
    packages: &["Zope", "waitress"],
    program: "waitress-serve",
    arguments: &[
        "--host=127.0.0.1",
        "--port=@PORT@",
        "--threads=@CAP@",
        "--connection-limit=20000",
    ],
    application: &["--call", "zope_app:made"],
    prepare: None,
    local: None,
    patience: PATIENCE,
};

/// The Python package of this project.
const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../euryale-python");

const PLONES: &[&str] = &[
    "Products.CMFPlone",
    "-r",
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../euryale-python/tests/requirements-plone.txt"
    ),
];

/// Plone under the Python package of this project.
pub(super) const PLONE: Venv = Venv {
    name: "plone",
    packages: PLONES,
    program: "python",
    arguments: &["plone_app.py", "serve", "euryale", "@PORT@", "@CAP@"],
    application: &[],
    prepare: Some(&["plone_app.py", "make"]),
    local: Some(PACKAGE),
    // Its imports need several seconds, and much longer on a busy machine.
    patience: Duration::from_secs(90),
};

/// The same site under waitress.
pub(super) const PLONE_WAITRESS: Venv = Venv {
    arguments: &["plone_app.py", "serve", "waitress", "@PORT@", "@CAP@"],
    ..PLONE
};

/// Zope, all servers for it, and the Python package of this project.
pub(super) const WSGI: Venv = Venv {
    name: "wsgi",
    packages: &[
        "Zope", "waitress", "granian", "uvloop", "gunicorn", "pyruvate",
    ],
    program: "euryale",
    arguments: &[
        "--listen",
        "127.0.0.1:@PORT@",
        "--threads",
        "@CAP@",
        "--log-level",
        "error",
    ],
    application: &["app:app"],
    prepare: None,
    local: Some(PACKAGE),
    patience: PATIENCE,
};

pub(super) const WSGI_ZOPE: Venv = Venv {
    application: &["--factory", "zope_app:made"],
    ..WSGI
};

/// The same, with workers that contend for the GIL.
pub(super) const WSGI_ZOPE_CONTENDING: Venv = Venv {
    application: &["--gil-turns", "off", "--factory", "zope_app:made"],
    ..WSGI
};

pub(super) const GRANIAN_ZOPE: Venv = Venv {
    program: GRANIAN.program,
    arguments: GRANIAN.arguments,
    application: &["--factory", "zope_app:made"],
    ..WSGI
};

pub(super) const GUNICORN_ZOPE: Venv = Venv {
    program: GUNICORN.program,
    arguments: GUNICORN.arguments,
    application: &["zope_app:made()"],
    ..WSGI
};

pub(super) const PYRUVATE: Venv = Venv {
    program: "python",
    arguments: &["pyruvate_app.py", "@PORT@", "@CAP@"],
    application: &["app:app"],
    ..WSGI
};

pub(super) const PYRUVATE_ZOPE: Venv = Venv {
    application: &["zope_app:made"],
    ..PYRUVATE
};

pub(super) const TWISTED: Venv = Venv {
    name: "twisted",
    packages: &["Twisted"],
    program: "python",
    arguments: &["twisted_app.py", "@PORT@"],
    application: &[],
    prepare: None,
    local: None,
    patience: PATIENCE,
};

/// Not a server: it themes pages for the workload `theme`.
pub(crate) const DIAZO: Venv = Venv {
    name: "diazo",
    packages: &["diazo", "lxml"],
    program: "diazorun",
    arguments: &[],
    application: &[],
    prepare: None,
    local: None,
    patience: PATIENCE,
};

/// A file that marks a complete installation.
pub(crate) const INSTALLED: &str = "installed";

/// The environment that `setup` creates.
pub(crate) const VENVS: [&Venv; 8] = [
    &GRANIAN, &GUNICORN, &WAITRESS, &ZOPE, &WSGI, &PLONE, &TWISTED, &DIAZO,
];

impl Venv {
    pub(crate) fn folder(&self) -> PathBuf {
        cache().join(self.name)
    }

    /// Returns whether all packages were installed. An interrupted `setup` may leave an environment
    /// without them.
    pub(crate) fn is_installed(&self) -> bool {
        self.folder().join(INSTALLED).is_file()
    }

    pub(crate) fn version(&self) -> String {
        let ask = format!(
            "import importlib.metadata as m; print(m.version('{}'))",
            self.packages[0]
        );
        let python = program(self, "python").display().to_string();
        format!(
            "{} {} ({})",
            self.packages[0],
            output(&python, &["-c", &ask]),
            output(&python, &["--version"])
        )
    }
}

/// Returns the Python interpreter that has Diazo, or what is missing.
pub(crate) fn diazo() -> std::result::Result<PathBuf, String> {
    let python = program(&DIAZO, "python");
    if program(&DIAZO, DIAZO.program).is_file() {
        return Ok(python);
    }
    Err(format!(
        "{} is not installed; `-- setup` installs it",
        DIAZO.name
    ))
}

/// The path of a program in a virtual environment.
pub(crate) fn program(venv: &Venv, name: &str) -> PathBuf {
    venv.folder().join("bin").join(name)
}

/// The folder of the virtual environments, below the user's cache folder.
pub(crate) fn cache() -> PathBuf {
    let named = std::env::var_os("XDG_CACHE_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from);
    let home = || std::env::home_dir().map(|home| home.join(".cache"));
    named
        .or_else(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("euryale-bench")
}

/// The server on this port.
pub(super) fn command(venv: &Venv, scene: &Scene, port: u16) -> Result<Command> {
    for (name, text) in APPS {
        fs::write(scene.folder.join(name), text)?;
    }
    if let Some(arguments) = venv.prepare {
        prepare(venv, scene, arguments)?;
    }
    let mut command = other(&program(venv, venv.program))?;
    let port = port.to_string();
    let cap = scene.cap.to_string();
    let fill = |argument: &&str| argument.replace("@PORT@", &port).replace("@CAP@", &cap);
    command.args(venv.arguments.iter().map(fill));
    if scene.wire == Wire::Tls {
        ensure!(venv.program == GRANIAN.program, "only granian has TLS here");
        let [certificate, key] = scene.certificate();
        command.arg("--ssl-certificate").arg(certificate);
        command.arg("--ssl-keyfile").arg(key);
    }
    command
        .args(venv.application)
        .current_dir(&scene.folder)
        .env("PYTHONPATH", &scene.folder)
        .env("BENCH_FOLDER", &scene.folder)
        .env("BENCH_VIEW", scene.view.name());
    Ok(command)
}

/// Creates the files that the server serves, unless they exist.
fn prepare(venv: &Venv, scene: &Scene, arguments: &[&str]) -> Result<()> {
    let mut command = other(&program(venv, "python"))?;
    command
        .args(arguments)
        .current_dir(&scene.folder)
        .env("PYTHONPATH", &scene.folder)
        .env("BENCH_FOLDER", &scene.folder);
    let output = command.output().context("preparing the server")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!(
            "preparing the server: {}",
            said.lines().last().unwrap_or("without a word")
        );
    }
    Ok(())
}
