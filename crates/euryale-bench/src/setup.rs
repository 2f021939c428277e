//! Installs the peers by package name.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::peers::{INSTALLED, VENVS, Venv, cache, which};

/// Programs, and the Debian packages that contain them.
const DEBIAN: [(&str, &str); 7] = [
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("ab", "apache2-utils"),
    ("wrk", "wrk"),
    ("curl", "curl"),
    ("h2load", "nghttp2-client"),
    ("python3", "python3-venv"),
];

/// Installs what is missing. A failed installation is reported, and the rest continues.
pub(crate) fn run() -> Result<ExitCode> {
    let mut good = debian()?;
    std::fs::create_dir_all(cache()).with_context(|| format!("making {}", cache().display()))?;
    for venv in VENVS {
        let is_there = venv.is_installed() || install(venv)?;
        // The project's code may have changed since the last installation.
        let is_there = is_there && venv.local.is_none_or(|local| install_local(venv, local));
        if !is_there {
            println!("{}: not installed; its peer will be left out", venv.name);
            good = false;
        }
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Creates the virtual environment.
fn install(venv: &Venv) -> Result<bool> {
    let folder = venv.folder();
    println!(
        "{}: pip install {}",
        folder.display(),
        venv.packages.join(" ")
    );
    let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let mut pip = Command::new(folder.join("bin").join("pip"));
    pip.args(["install", "--quiet"]).args(venv.packages);
    if !made || !succeeds(&mut pip) {
        return Ok(false);
    }
    std::fs::write(folder.join(INSTALLED), "")
        .with_context(|| format!("writing {}", folder.display()))?;
    Ok(true)
}

/// Builds a package of this project in its release profile, and installs it.
fn install_local(venv: &Venv, local: &str) -> bool {
    let folder = venv.folder();
    println!("{}: pip install {local}", folder.display());
    let mut pip = Command::new(folder.join("bin").join("pip"));
    pip.args(["install", "--quiet", "--force-reinstall", "--no-deps"]);
    succeeds(pip.arg(local))
}

/// Installs Debian packages. For other users than root, it only prints the command that root has to
/// run.
fn debian() -> Result<bool> {
    let missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(program, _)| which(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        println!("Debian packages: nothing is missing");
        return Ok(true);
    }
    let install = ["install", "--yes", "--no-install-recommends"];
    if !rustix::process::geteuid().is_root() || which("apt-get").is_none() {
        println!(
            "missing; as root on Debian: apt-get {} {}",
            install.join(" "),
            missing.join(" ")
        );
        return Ok(false);
    }
    println!("apt-get {} {}", install.join(" "), missing.join(" "));
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    Ok(succeeds(apt().args(["--quiet", "update"])) && succeeds(apt().args(install).args(missing)))
}

fn succeeds(command: &mut Command) -> bool {
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("{}: {error}", command.get_program().display());
            false
        }
    }
}
