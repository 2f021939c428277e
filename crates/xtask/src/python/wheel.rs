//! The wheel that is published: optimized, and for every Linux with glibc 2.28 or newer.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::environment::Environment;
use super::{CRATE, MATURIN, call, only_wheel, pip};
use crate::workspace::{self, Workspace};

/// Zig's linker knows the symbols of every version of glibc, so the machine that builds may have a
/// newer one.
const ZIG: &str = "ziglang==0.17.1";

/// Builds the wheel into `target/wheels`, installs it into an empty environment, and starts the
/// command `euryale` there. maturin fails if the module needs a symbol that glibc 2.28 lacks.
pub(crate) fn run() -> Result<()> {
    let root = Workspace::load()?.root;
    let place = root.join("target/python");
    fs::create_dir_all(&place)?;
    let maturin = Environment::new(&place, "zig", &format!("{MATURIN}\n{ZIG}")).python()?;
    let wheels = root.join("target/wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    // maturin looks for `ziglang` with the `python3` in PATH.
    let programs = maturin.parent().context("an interpreter has a folder")?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(programs.to_path_buf()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path)?;
    let mut build = Command::new(&maturin);
    build
        .args(["-m", "maturin", "build", "--zig", "--locked", "--strip"])
        .args(["--profile", "wheel"])
        .args(["--compatibility", "manylinux_2_28", "--out"])
        .arg(&wheels)
        .current_dir(root.join(CRATE))
        .env("PATH", path)
        .env("CARGO", workspace::cargo());
    call(&mut build)?;
    let wheel = only_wheel(&wheels)?;
    let python = Environment::new(&place, "installed", "").python()?;
    pip(&python, ["--force-reinstall", "--no-deps"], &wheel)?;
    call(Command::new(python).args(["-m", "euryale", "--version"]))?;
    println!("{}", wheel.display());
    Ok(())
}
