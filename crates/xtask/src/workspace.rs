//! The input of the rules: members and their dependencies from `cargo metadata`, files from git.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::rules::kinds::Kind;

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
    /// Sorted paths below the root, with `/`, of all files that are or could be committed. Ignored
    /// files are left out.
    pub(crate) files: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// The folder below the root; empty for a package in the root itself.
    pub(crate) folder: String,
    pub(crate) published: bool,
    /// As the manifest says it.
    pub(crate) kind: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency on another member; foreign crates are cargo-deny's business.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) dev: bool,
    pub(crate) versioned: bool,
}

impl Workspace {
    pub(crate) fn load() -> Result<Self> {
        let text = output(Command::new(cargo()).args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--locked",
        ]))?;
        let metadata: Value =
            serde_json::from_str(&text).context("reading the answer of cargo metadata")?;
        let root = PathBuf::from(string(&metadata["workspace_root"])?);
        let packages = list(&metadata["packages"])
            .iter()
            .map(|package| Package::read(package, &root))
            .collect::<Result<_>>()?;
        let files = files(&root)?;
        Ok(Self {
            root,
            packages,
            files,
        })
    }
}

impl Package {
    pub(crate) fn manifest(&self) -> String {
        if self.folder.is_empty() {
            "Cargo.toml".into()
        } else {
            format!("{}/Cargo.toml", self.folder)
        }
    }

    /// `None` if the manifest has no kind, or an unknown one.
    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind.as_deref().and_then(Kind::parse)
    }

    pub(crate) fn read(package: &Value, root: &Path) -> Result<Self> {
        let manifest = Path::new(string(&package["manifest_path"])?);
        let folder = manifest.parent().unwrap_or(root).strip_prefix(root)?;
        Ok(Self {
            name: string(&package["name"])?.into(),
            folder: folder.to_string_lossy().replace('\\', "/"),
            // `null` is "any registry", an empty list is `publish = false`.
            published: package["publish"]
                .as_array()
                .is_none_or(|registries| !registries.is_empty()),
            kind: package["metadata"]["euryale"]["kind"]
                .as_str()
                .map(String::from),
            dependencies: list(&package["dependencies"])
                .iter()
                .filter(|dependency| dependency["path"].is_string())
                .map(Dependency::read)
                .collect::<Result<_>>()?,
        })
    }
}

impl Dependency {
    fn read(dependency: &Value) -> Result<Self> {
        Ok(Self {
            name: string(&dependency["name"])?.into(),
            dev: dependency["kind"] == "dev",
            // Cargo reports a path without a version as `*`.
            versioned: dependency["req"] != "*",
        })
    }
}

/// The cargo that has started this program, so that every step uses the same toolchain.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Standard output of a command that must succeed; its standard error stays visible.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let name = format!("{command:?}");
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("starting {name}"))?;
    ensure!(output.status.success(), "{name} failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

fn files(root: &Path) -> Result<Vec<String>> {
    // A build machine often runs as another user than the owner of the checkout. Listing the files
    // is safe.
    let trust = format!("safe.directory={}", root.display());
    let listed = output(Command::new("git").current_dir(root).args([
        "-c",
        &trust,
        "ls-files",
        "-z",
        "-co",
        "--exclude-standard",
    ]))
    .context("tidy asks git which files belong to the workspace")?;
    let mut files: Vec<String> = listed
        .split_terminator('\0')
        // Files that were deleted, but whose deletion is not committed yet.
        .filter(|file| root.join(file).exists())
        .map(String::from)
        .collect();
    files.sort();
    files.dedup();
    Ok(files)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn string(value: &Value) -> Result<&str> {
    value.as_str().context("cargo metadata left out a field")
}
