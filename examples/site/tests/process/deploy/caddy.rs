use std::fs;

use super::program::{Proxy, of_debian};
use super::{Sites, behaves, configuration, free_port, offloads, recipe, restarts_unseen};

/// `editor` with the password `secret`, by bcrypt at the least cost.
const EDITOR: &str = "editor $2a$04$IhtpMctSGJ0mUWiAxcQRWubevwJsEHOLo/R7Xzc0ImRRJRCy97EBy";

#[test]
fn the_site_behind_caddy() {
    let mut sites = Sites::start(&["--offload=/"]);
    let address = free_port();
    let folder = tempfile::tempdir().unwrap();
    let text = configuration(
        "caddy/Caddyfile",
        &[
            // By its port alone, whatever the host is called.
            (
                "http://www.example.org {",
                &format!(":{} {{\n\tbind 127.0.0.1", address.port()),
            ),
            ("127.0.0.1:8080", &sites.address(0)),
            ("#to 127.0.0.1:8090", &format!("to {}", sites.address(1))),
            ("import /etc/caddy/euryale-editors", EDITOR),
        ],
    );
    let file = folder.path().join("Caddyfile");
    fs::write(
        &file,
        format!("{{\n\tadmin off\n\tauto_https off\n}}\n{text}"),
    )
    .unwrap();
    let mut command = of_debian("caddy");
    command
        .args(["run", "--adapter=caddyfile", "--config"])
        .arg(file)
        .env("HOME", folder.path());
    let Some(proxy) = Proxy::start(address, folder.path(), command) else {
        return;
    };
    behaves(&proxy, &sites);
    // It asks each of them anew.
    restarts_unseen(&proxy, &mut sites, 50, |_| true);
    offloads(&proxy, &sites);
    drop(proxy);
    sites.end();
}

#[test]
fn the_readme_can_be_followed() {
    recipe::follow("caddy", "caddy", recipe::OFFLOADED);
}
