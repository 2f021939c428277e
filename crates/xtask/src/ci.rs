//! All checks in order, cheap ones first. There are no checks anywhere else.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::python::Outcome;
use crate::workspace::Workspace;
use crate::{instructions, python, tidy, workspace};

#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Action {
    Cargo {
        arguments: &'static str,
        environment: Option<(&'static str, &'static str)>,
    },
    Tidy,
    Package,
    Instructions,
    Python,
    WithoutPython,
    Skip(&'static str),
}

/// Programs that make checks better and are not required.
#[derive(Clone, Copy)]
pub(crate) struct Installed {
    pub(crate) nextest: bool,
    pub(crate) deny: bool,
    pub(crate) valgrind: bool,
    pub(crate) python: bool,
    pub(crate) libpq: bool,
}

pub(crate) fn run(with_tests: bool) -> Result<()> {
    let installed = Installed {
        nextest: is_installed("nextest"),
        deny: is_installed("deny"),
        valgrind: instructions::is_possible(),
        python: python::is_possible(),
        libpq: has_libpq(),
    };
    let mut summary = Vec::new();
    let outcome = steps(with_tests, installed)
        .into_iter()
        .try_for_each(|step| {
            println!("== {}", step.name);
            let start = Instant::now();
            let outcome = step
                .action
                .run()
                .with_context(|| format!("ci: step `{}` failed", step.name));
            summary.push(summarize(&step, start.elapsed(), outcome.as_ref().ok()));
            outcome.map(drop)
        });
    println!("== summary\n{}", summary.join("\n"));
    outcome
}

pub(crate) fn steps(with_tests: bool, installed: Installed) -> Vec<Step> {
    let cargo = |name, arguments| Step {
        name,
        action: Action::Cargo {
            arguments,
            environment: None,
        },
    };
    let mut steps = vec![
        cargo("fmt", "fmt --all --check"),
        Step {
            name: "tidy",
            action: Action::Tidy,
        },
        cargo(
            "clippy",
            "clippy --workspace --all-targets --locked -- -D warnings",
        ),
    ];
    if with_tests {
        // Neither of the two runs doctests. Neither runs benches, as `--all-targets` would.
        steps.push(match installed.nextest {
            true => cargo("tests", "nextest run --workspace --locked"),
            false => cargo("tests", "test --workspace --tests --locked"),
        });
        steps.push(cargo("doctests", "test --workspace --doc --locked"));
        steps.push(Step {
            name: "no python",
            action: Action::WithoutPython,
        });
        let name = "python";
        steps.push(match installed.python {
            true => Step {
                name,
                action: Action::Python,
            },
            false => Step {
                name,
                action: Action::Skip("there is no Python 3.10 or newer with venv"),
            },
        });
    }
    // The run of the whole workspace is without the feature.
    steps.push(cargo(
        "snapshot",
        "test --package euryale-sqlite --features snapshot --lib --locked",
    ));
    steps.push(cargo(
        "clippy of the site with PostgreSQL",
        "clippy --package site --features postgres --all-targets --locked -- -D warnings",
    ));
    steps.push(cargo(
        "site on PostgreSQL",
        "test --package site --features postgres --bin site --test process --locked -- \
            store:: engines:: postgres::",
    ));
    let name = "diesel on PostgreSQL";
    steps.push(match installed.libpq {
        true => cargo(
            name,
            "test --package euryale-diesel --features postgres --lib --locked",
        ),
        false => Step {
            name,
            action: Action::Skip("libpq is not installed: apt-get install libpq-dev"),
        },
    });
    steps.push(Step {
        name: "docs",
        action: Action::Cargo {
            arguments: "doc --workspace --no-deps --locked",
            environment: Some(("RUSTDOCFLAGS", "-D warnings")),
        },
    });
    steps.push(Step {
        name: "package",
        action: Action::Package,
    });
    steps.push(match installed.deny {
        true => cargo("deny", "deny --locked check licenses bans sources"),
        false => Step {
            name: "deny",
            action: Action::Skip("cargo-deny is not installed"),
        },
    });
    // Last: it builds some crates once more, with optimizations.
    let name = "instructions";
    steps.push(match installed.valgrind {
        true => Step {
            name,
            action: Action::Instructions,
        },
        false => Step {
            name,
            action: Action::Skip("valgrind is not installed"),
        },
    });
    steps
}

impl Action {
    fn run(&self) -> Result<Outcome> {
        match self {
            Self::Cargo {
                arguments,
                environment,
            } => {
                cargo(arguments, *environment)?;
            }
            Self::Package => cargo(&package(&Workspace::load()?), None)?,
            Self::Tidy => tidy::run()?,
            Self::Instructions => instructions::run(false)?,
            Self::WithoutPython => python::without::run()?,
            Self::Python => return python::run(python::Suite::Frameworks),
            Self::Skip(reason) => {
                println!("skipped: {reason}");
                return Ok(Outcome::Skipped((*reason).to_owned()));
            }
        }
        Ok(Outcome::Passed)
    }
}

/// Returns whether programs can be linked with libpq: as Debian has it, or as pkg-config finds it.
fn has_libpq() -> bool {
    let mut asks = Command::new("pkg-config");
    let found = asks.args(["--exists", "libpq"]).status();
    Path::new("/usr/include/postgresql/libpq-fe.h").exists()
        || found.is_ok_and(|status| status.success())
}

fn cargo(arguments: &str, environment: Option<(&str, &str)>) -> Result<()> {
    println!("cargo {arguments}");
    let mut command = Command::new(workspace::cargo());
    let status = command
        .args(arguments.split(' '))
        .envs(environment)
        .status()
        .context("starting cargo")?;
    if !status.success() {
        bail!("`cargo {arguments}`, {status}");
    }
    Ok(())
}

/// Creates the packages as they would be published. Unlike `cargo publish --workspace --dry-run`,
/// it does not build the code again (other steps did) and does not ask the registry.
pub(crate) fn package(workspace: &Workspace) -> String {
    let published = workspace
        .packages
        .iter()
        .filter(|package| package.published);
    let names: String = published
        .map(|package| format!(" -p {}", package.name))
        .collect();
    format!("package --no-verify --allow-dirty --locked --offline{names}")
}

/// `outcome` is `None` for a step that failed.
fn summarize(step: &Step, elapsed: Duration, outcome: Option<&Outcome>) -> String {
    let verdict = match outcome {
        Some(Outcome::Skipped(_)) => "skipped",
        Some(Outcome::Partly(_)) => "ok, partly skipped",
        Some(Outcome::Passed) => "ok",
        None => "FAILED",
    };
    format!(
        "{:12} {:7.1} s  {verdict}",
        step.name,
        elapsed.as_secs_f64()
    )
}

fn is_installed(subcommand: &str) -> bool {
    let mut command = Command::new(workspace::cargo());
    let status = command
        .args([subcommand, "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
