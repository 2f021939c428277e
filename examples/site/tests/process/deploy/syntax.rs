//! What no test starts.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;

use super::configuration;
use super::program::of_debian;

#[test]
fn traefiks_files_can_be_read() {
    let main: toml::Table = configuration("traefik/traefik.toml", &[]).parse().unwrap();
    assert!(main["entryPoints"]["web"]["address"].is_str());
    let routes: toml::Table = configuration("traefik/euryale.toml", &[]).parse().unwrap();
    let http = &routes["http"];
    // Each name that is used is there.
    for (_, router) in http["routers"].as_table().unwrap() {
        assert!(
            http["services"]
                .get(router["service"].as_str().unwrap())
                .is_some()
        );
        for middleware in router["middlewares"].as_array().unwrap() {
            assert!(
                http["middlewares"]
                    .get(middleware.as_str().unwrap())
                    .is_some()
            );
        }
    }
}

/// systemd itself looks at the units. Its program is ours: that of Debian's package is not there.
#[test]
fn systemd_finds_nothing_in_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("euryale-site.service");
    let text = configuration(
        "systemd/euryale-site.service",
        &[("/usr/local/bin/site", crate::SITE)],
    );
    fs::write(&unit, text).unwrap();
    let socket = folder.path().join("euryale-site.socket");
    fs::write(&socket, configuration("systemd/euryale-site.socket", &[])).unwrap();
    let mut command = of_debian("systemd-analyze");
    match command
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args([&unit, &socket])
        .output()
    {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            euryale_test::skip("systemd is not installed");
        }
        output => {
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success() && !said.contains("euryale-site."),
                "{said}"
            );
        }
    }
}

/// The settings that the files name are there, and the probes ask what is answered.
#[test]
fn containers_are_told_what_the_site_knows() {
    let help = String::from_utf8(crate::ended(&["--help"]).stdout).unwrap();
    for name in [
        "docker/Dockerfile",
        "docker/compose.yaml",
        "kubernetes/site.yaml",
    ] {
        let text = configuration(name, &[]);
        let is_name = |c: char| c.is_ascii_uppercase() || c == '_';
        let variables: BTreeSet<&str> = text
            .split(|c| !is_name(c))
            .filter(|word| word.starts_with("EURYALE_"))
            .collect();
        assert!(!variables.is_empty());
        for variable in variables {
            assert!(help.contains(variable), "{name}: {variable}");
        }
    }
    let manifest = configuration("kubernetes/site.yaml", &[]);
    assert!(manifest.contains("path: /readyz") && manifest.contains("path: /livez"));
}
