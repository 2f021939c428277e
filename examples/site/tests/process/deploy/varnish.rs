use std::fs;

use super::program::{Proxy, of_debian};
use super::{Sites, behaves, configuration, free_port, recipe, restarts_unseen};

/// `editor` with the password `secret`, as the README has it.
const EDITOR: &str = r#"
if (req.http.Authorization == "Basic ZWRpdG9yOnNlY3JldA==") { set req.http.X-Editor = "yes"; }
"#;

#[test]
fn the_site_behind_varnish() {
    let mut sites = Sites::start(&[]);
    let address = free_port();
    let folder = tempfile::tempdir().unwrap();
    let port = |at: usize| format!(".port = \"{}\"", sites.addresses[at][0].port());
    let editors = folder.path().join("editors.vcl");
    fs::write(&editors, EDITOR).unwrap();
    let text = configuration(
        "varnish/default.vcl",
        &[
            (".port = \"8080\"", &port(0)),
            ("#two ", ""),
            (".port = \"8090\"", &port(1)),
            (
                "/etc/varnish/euryale-editors.vcl",
                editors.to_str().unwrap(),
            ),
        ],
    );
    let file = folder.path().join("default.vcl");
    fs::write(&file, text).unwrap();
    let mut command = of_debian("varnishd");
    command.args([
        "-F",
        "-j",
        "none",
        "-s",
        "malloc,16m",
        "-p",
        "backend_remote_error_holddown=0",
        "-a",
        &address.to_string(),
    ]);
    command
        .arg("-n")
        .arg(folder.path().join("work"))
        .arg("-f")
        .arg(file);
    let Some(proxy) = Proxy::start(address, folder.path(), command) else {
        return;
    };
    behaves(&proxy, &sites);
    // Varnish requests each of them again.
    restarts_unseen(&proxy, &mut sites, 50, |_| true);
    drop(proxy);
    sites.end();
}

#[test]
fn the_readme_can_be_followed() {
    recipe::follow("varnish", "varnish", "");
}
