//! The recipes that no test follows.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::configuration;
use super::program::of_debian;
use crate::clients::printed;

#[test]
fn traefiks_files_can_be_read() {
    let main: toml::Table = configuration("traefik/traefik.toml", &[]).parse().unwrap();
    assert!(main["entryPoints"]["web"]["address"].is_str());
    let routes: toml::Table = configuration("traefik/euryale.toml", &[]).parse().unwrap();
    let http = &routes["http"];
    // Each name that is used is defined.
    for (name, router) in http["routers"].as_table().unwrap() {
        assert!(
            http["services"]
                .get(router["service"].as_str().unwrap())
                .is_some()
        );
        let middlewares: Vec<_> = router["middlewares"]
            .as_array()
            .unwrap()
            .iter()
            .map(|middleware| middleware.as_str().unwrap())
            .collect();
        for middleware in &middlewares {
            assert!(http["middlewares"].get(middleware).is_some());
        }
        // Only a request that reads, or one with a password, reaches the site.
        let rule = router["rule"].as_str().unwrap();
        let is_reading = rule.ends_with(" && (Method(`GET`) || Method(`HEAD`))");
        let is_redirect = middlewares == ["with-slash"];
        assert!(
            is_reading || is_redirect || middlewares.contains(&"login"),
            "{name}"
        );
        assert!(rule.starts_with("Host(`www.example.org`)"), "{name}");
    }
}

/// systemd itself checks the units. The program is ours, because that of Debian's package is not
/// installed.
#[test]
fn systemd_finds_nothing_in_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let units = ["service", "socket"].map(|kind| {
        let changes = [("/usr/local/bin/site", crate::SITE)];
        let changes = if kind == "service" { &changes[..] } else { &[] };
        let text = configuration(&format!("systemd/euryale-site@.{kind}"), changes);
        // An instance of the template.
        let unit = folder.path().join(format!("euryale-site@808.{kind}"));
        fs::write(&unit, text).unwrap();
        unit
    });
    let mut command = of_debian("systemd-analyze");
    match command
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .args(&units)
        .output()
    {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            euryale_test::skip("systemd is not installed");
        }
        output => {
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success() && !said.contains("euryale-site@"),
                "{said}"
            );
        }
    }
}

/// Two instances differ only in their ports: they have the same user, which systemd can create, and
/// the same folder.
#[test]
fn processes_of_systemd_share_user_and_folder() {
    let service = configuration("systemd/euryale-site@.service", &[]);
    let value = |key: &str| {
        let mut values = service.lines().filter_map(|line| line.strip_prefix(key));
        let value = values.next().unwrap();
        assert_eq!(values.next(), None, "{key}");
        value
    };
    assert_eq!(value("User="), "euryale");
    assert_eq!(value("StateDirectory="), "euryale-site");
    assert!(service.contains("EURYALE_DATA=%S/euryale-site "));
    assert!(!service.contains("DynamicUser"));
    let users = configuration("systemd/euryale.conf", &[]);
    assert!(users.lines().any(|line| line.starts_with("u euryale ")));
    // A flag would override the variables of the operator's file.
    assert_eq!(value("ExecStart="), "/usr/local/bin/site");
}

/// `ctl` finds the socket by the same variable as the site, in a folder that both can use.
#[test]
fn consoles_of_recipes_are_in_folders_of_their_site() {
    let service = configuration("systemd/euryale-site@.service", &[]);
    assert!(service.contains("\nRuntimeDirectory=euryale-site-%i\n"));
    assert!(service.contains("\nEnvironment=EURYALE_CONSOLE=%t/euryale-site-%i/console\n"));
    let image = configuration("docker/Dockerfile", &[]);
    assert!(image.contains(" EURYALE_CONSOLE=/tmp/console\n"));
    // The containers are read-only otherwise.
    assert!(configuration("docker/compose.yaml", &[]).contains("\n    tmpfs: [/tmp]\n"));
    let manifest = configuration("kubernetes/site.yaml", &[]);
    assert!(manifest.contains("mountPath: /tmp }\n"));
}

/// The settings that the files name exist, and the probes request addresses that are answered.
#[test]
fn variables_in_recipes_are_settings_of_the_site() {
    let help = String::from_utf8(crate::ended(&["--help"]).stdout).unwrap();
    for name in [
        "docker/Dockerfile",
        "docker/compose.yaml",
        "kubernetes/site.yaml",
        "systemd/euryale-site@.service",
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

/// The documents of a YAML file, as JSON. `None` if no installed program reads YAML, which is
/// reported.
fn yaml(text: &str) -> Option<Vec<Value>> {
    const READ: &str = "import json, sys, yaml; \
        json.dump(list(yaml.safe_load_all(sys.argv[1])), sys.stdout)";
    let Some(python) = euryale_test::python_with("yaml") else {
        euryale_test::skip("python3-yaml is not installed");
        return None;
    };
    let read = Command::new(python).args(["-c", READ, text]).output();
    Some(serde_json::from_str(&printed(read.unwrap())).unwrap())
}

/// The network that may report clients has many pods. The policy lets only the ingress controller
/// in.
#[test]
fn only_the_ingress_controller_reaches_the_pod() {
    let Some(documents) = yaml(&configuration("kubernetes/site.yaml", &[])) else {
        return;
    };
    let of_kind = |kind: &str| documents.iter().find(|one| one["kind"] == kind).unwrap();
    let pod = &of_kind("StatefulSet")["spec"]["template"];
    let policy = &of_kind("NetworkPolicy")["spec"];
    assert_eq!(
        policy["podSelector"]["matchLabels"],
        pod["metadata"]["labels"]
    );
    assert_eq!(
        policy["policyTypes"],
        serde_json::json!(["Ingress", "Egress"])
    );
    assert_eq!(policy["egress"], serde_json::json!([]));
    let ports = &pod["spec"]["containers"][0]["ports"];
    let named = |port: &Value| {
        let mut ports = ports.as_array().unwrap().iter();
        ports.any(|known| known["name"] == *port)
    };
    let rules = policy["ingress"].as_array().unwrap();
    let mut open: Vec<&Value> = Vec::new();
    for rule in rules {
        for port in rule["ports"].as_array().unwrap() {
            assert!(named(&port["port"]));
            open.push(&port["port"]);
        }
        // Pods with a label, in a namespace with a name; no networks.
        for from in rule["from"].as_array().unwrap() {
            let [namespace, pods] = ["namespaceSelector", "podSelector"]
                .map(|selector| from[selector]["matchLabels"].as_object().unwrap().len());
            assert!(namespace == 1 && pods >= 1 && from.as_object().unwrap().len() == 2);
        }
    }
    assert_eq!(open, ["http", "admin"]);
    let host = &of_kind("Ingress")["spec"]["rules"][0]["host"];
    let environment = pod["spec"]["containers"][0]["env"].as_array().unwrap();
    assert!(environment.contains(&serde_json::json!({"name": "EURYALE_HOST", "value": host})));
}

/// The files that are sent to Docker's build: all that cargo needs to know the workspace, and no
/// folder `target`.
#[test]
fn build_context_of_docker_has_everything_that_cargo_needs() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let checkout = checkout.canonicalize().unwrap();
    let rules = fs::read_to_string(checkout.join(".dockerignore")).unwrap();
    let mut rules = rules.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"));
    let context = tempfile::tempdir().unwrap();
    for rule in rules {
        let name = rule.strip_prefix('!').unwrap();
        assert!(name != "target" && checkout.join(name).exists(), "{name}");
        std::os::unix::fs::symlink(checkout.join(name), context.path().join(name)).unwrap();
    }
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version=1", "--offline"])
        .current_dir(context.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
}

/// Every file that a README copies, installs or shows exists.
#[test]
fn files_that_readmes_name_are_there() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for folder in fs::read_dir(checkout.join("deploy")).unwrap() {
        let readme = fs::read_to_string(folder.unwrap().path().join("README.md")).unwrap();
        let words = readme.split_whitespace();
        for word in words.filter(|word| word.starts_with("deploy/")) {
            let word = word.trim_end_matches(['`', ',', '.', ':']);
            assert!(checkout.join(word).exists(), "{word}");
            count += 1;
        }
        assert!(readme.contains("\n* **Nobody can write** until "));
        assert!(readme.contains("www.example.org"));
    }
    assert!(count >= 10);
}
