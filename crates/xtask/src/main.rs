//! The checks of this workspace as one command, `cargo xtask`, so that they are the same on a
//! laptop and on a build machine.
//!
//! * `cargo xtask ci [--no-tests]`: everything, in order, stopping at the first failure
//! * `cargo xtask tidy`: the rules that no compiler and no linter knows
//! * `cargo xtask deps`: the crates by level, and how many others each brings along
//! * `cargo xtask python [plone]`: the tests of the Python package, in a virtual environment
//! * `cargo xtask wheel`: the Python package as it is published, for glibc 2.28 and newer
//! * `cargo xtask without-python`: the workspace with a `PATH` that has no interpreter
//! * `cargo xtask instructions [--accept]`: instruction counts of fixed inputs, against a table

#![forbid(unsafe_code)]

mod ci;
mod deps;
mod instructions;
mod python;
mod rules;
mod source;
#[cfg(test)]
mod tests;
mod tidy;
mod workspace;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask ci [--no-tests] | tidy | deps | python [plone] | wheel | \
                     without-python | instructions [--accept]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["ci"] => ci::run(true),
        ["ci", "--no-tests"] => ci::run(false),
        ["tidy"] => tidy::run(),
        ["deps"] => deps::run(),
        ["python"] => python::run(python::Suite::Frameworks).map(drop),
        ["python", "plone"] => python::run(python::Suite::Plone).map(drop),
        ["wheel"] => python::wheel::run(),
        ["without-python"] => python::without::run(),
        ["instructions"] => instructions::run(false),
        ["instructions", "--accept"] => instructions::run(true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
