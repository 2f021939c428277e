//! The tests of the Python package: builds a wheel, installs it into a virtual environment, and
//! runs the tests there.
//!
//! Everything is kept in `target/python`. An environment is created again only if its list of
//! requirements has changed. The package index (PyPI, or the one in pip's configuration) is needed
//! only then, and for the few tests that install packages themselves. If it does not answer, the
//! suite or these tests are skipped, and the reason names what is missing.

pub(crate) mod environment;
pub(crate) mod wheel;
pub(crate) mod without;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::environment::{Environment, IndexAnswer, pip};
use crate::workspace::{self, Workspace};

const CRATE: &str = "crates/euryale-python";

/// The tool that builds wheels. It is pinned here; `pyproject.toml` allows every version with the
/// same major number.
const MATURIN: &str = "maturin==1.16.0";

/// Which tests run, and in which environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Flask, Django, Pyramid and Zope.
    Frameworks,
    /// A Plone site, from some 240 packages.
    Plone,
}

impl Suite {
    fn name(self) -> &'static str {
        match self {
            Self::Frameworks => "frameworks",
            Self::Plone => "plone",
        }
    }

    fn requirements(self) -> &'static str {
        match self {
            Self::Frameworks => "requirements.txt",
            Self::Plone => "requirements-plone.txt",
        }
    }

    /// The arguments of pytest. Where Plone is installed, the packages of the other tests are not,
    /// so their files cannot be imported.
    fn tests(self) -> &'static [&'static str] {
        match self {
            Self::Frameworks => &["-m", "not plone", "tests"],
            Self::Plone => &[
                "-m",
                "plone",
                "tests/test_plone.py",
                "tests/test_plone_example.py",
            ],
        }
    }
}

/// Whether there is an interpreter that the package runs on.
pub(crate) fn is_possible() -> bool {
    let mut command = Command::new(interpreter());
    command.args([
        "-c",
        "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))",
    ]);
    command.output().is_ok_and(|output| output.status.success())
}

/// The interpreter of the tests: `PYTHON`, or `python3`.
fn interpreter() -> String {
    std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// The variable with the reason why the package index cannot be reached, for the tests that need
/// it. Not set if it answers.
const INDEX_ERROR: &str = "PACKAGE_INDEX_ERROR";

/// The result of a suite.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// Some tests were skipped, and the others have passed. Has the reason in one line.
    Partly(String),
    /// The suite was skipped. Has the reason in one line that names what is missing.
    Skipped(String),
}

/// Builds the wheel, installs it, and runs the suite.
///
/// It is skipped only if packages are missing and the index cannot be reached, which is tested by
/// downloading a small package with pip. If that succeeds, every failure is an error. The tests
/// find the result in `PACKAGE_INDEX_ERROR`.
pub(crate) fn run(suite: Suite) -> Result<Outcome> {
    ensure!(
        is_possible(),
        "`{}` is not Python 3.10 or newer with venv: install it, or name another in PYTHON",
        interpreter()
    );
    let root = Workspace::load()?.root;
    let place = root.join("target/python");
    fs::create_dir_all(&place).with_context(|| format!("making {}", place.display()))?;
    let requirements = root.join(CRATE).join("tests").join(suite.requirements());
    let requirements = fs::read_to_string(requirements)?;
    let maturin = Environment::new(&place, "maturin", MATURIN);
    let packages = Environment::new(&place, suite.name(), &requirements);
    let missing: Vec<String> = [&maturin, &packages]
        .into_iter()
        .filter(|environment| !environment.is_made())
        .map(Environment::describe)
        .collect();
    // Plone's tests install nothing.
    let needs_index = suite == Suite::Frameworks || !missing.is_empty();
    let answer = match needs_index {
        true => environment::ask_index(&place)?,
        false => IndexAnswer::Some,
    };
    if let IndexAnswer::None(error) = &answer
        && !missing.is_empty()
    {
        let missing = missing.join("; ");
        let reason = format!("the package index cannot be reached ({error}); missing: {missing}");
        println!("skipped: {reason}");
        return Ok(Outcome::Skipped(reason));
    }
    let maturin = maturin.python()?;
    let wheel = build(&root, &place, &maturin)?;
    let python = packages.python()?;
    pip(&python, ["--force-reinstall", "--no-deps"], &wheel)?;
    let mut tests = Command::new(&python);
    tests
        .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"])
        .args(suite.tests())
        .current_dir(root.join(CRATE))
        .env("CARGO_TARGET_DIR", root.join("target"))
        .env_remove(INDEX_ERROR);
    if let IndexAnswer::None(error) = &answer {
        tests.env(INDEX_ERROR, error);
    }
    if suite == Suite::Plone {
        let pages = place.join("plone-pages.json");
        call(tests.env("THEME_PAGES", &pages))?;
        compare_themes(&python, &pages)?;
    } else {
        call(&mut tests)?;
    }
    Ok(match answer {
        IndexAnswer::Some => Outcome::Passed,
        IndexAnswer::None(error) => {
            let reason = format!("the package index cannot be reached ({error})");
            println!("skipped: the tests that install packages: {reason}");
            Outcome::Partly(reason)
        }
    })
}

/// Compares the pages of Plone, themed by Diazo, which is installed with it, and by our engine.
fn compare_themes(python: &Path, pages: &Path) -> Result<()> {
    let mut comparison = Command::new(workspace::cargo());
    comparison
        .args(["test", "--locked", "-p", "euryale-diazo", "--test", "it"])
        .args(["--", "--ignored", "pages_of_a_running_plone"])
        .env("EURYALE_PLONE_PYTHON", python)
        .env("EURYALE_PLONE_PAGES", pages);
    call(&mut comparison)
}

/// Builds the wheel with the development profile, because the tests check correctness and not
/// speed.
fn build(root: &Path, place: &Path, maturin: &Path) -> Result<PathBuf> {
    let wheels = place.join("wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let mut maturin = Command::new(maturin);
    maturin
        .args(["-m", "maturin", "build", "--profile", "dev", "--locked"])
        .args(["--compatibility", "linux", "--out"])
        .arg(&wheels)
        .current_dir(root.join(CRATE))
        .env("CARGO", workspace::cargo());
    call(&mut maturin)?;
    only_wheel(&wheels)
}

fn only_wheel(wheels: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(wheels)? {
        found.push(entry?.path());
    }
    match &found[..] {
        [wheel] => Ok(wheel.clone()),
        _ => bail!("{} holds {} wheels, not one", wheels.display(), found.len()),
    }
}

fn call(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(status.success(), "{command:?}, {status}");
    Ok(())
}
