use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use tempfile::TempDir;

use super::program::{Proxy, of_debian};
use super::{
    Browser, FORGED, Sites, behaves, configuration, free_port, offloads, recipe, restarts_unseen,
};

/// `editor` with the password `secret`, by bcrypt at the lowest cost.
const EDITOR: &str = "editor $2a$04$IhtpMctSGJ0mUWiAxcQRWubevwJsEHOLo/R7Xzc0ImRRJRCy97EBy";

fn start(address: SocketAddr, folder: &Path, text: &str) -> Option<Proxy> {
    let file = folder.join("Caddyfile");
    fs::write(
        &file,
        format!("{{\n\tadmin off\n\tauto_https off\n}}\n{text}"),
    )
    .unwrap();
    let mut command = of_debian("caddy");
    command
        .args(["run", "--adapter=caddyfile", "--config"])
        .arg(file)
        .env("HOME", folder);
    Proxy::start(address, folder, command)
}

/// In front of these sites, with the recipe's file.
pub(super) fn in_front_of(sites: &Sites) -> Option<(Proxy, TempDir)> {
    let address = free_port();
    let folder = tempfile::tempdir().unwrap();
    let second = format!("to {}", sites.address(1));
    let text = configuration(
        "caddy/Caddyfile",
        &[
            // Only by its port, whatever the host is called.
            (
                "http://www.example.org {",
                &format!(":{} {{\n\tbind 127.0.0.1", address.port()),
            ),
            ("127.0.0.1:8080", &sites.address(0)),
            sites.second("#to 127.0.0.1:8090", &second),
            ("import /etc/caddy/euryale-editors", EDITOR),
        ],
    );
    Some((start(address, folder.path(), &text)?, folder))
}

#[test]
fn the_site_behind_caddy() {
    let mut sites = Sites::start(&["--offload=/"]);
    let Some((proxy, _folder)) = in_front_of(&sites) else {
        return;
    };
    behaves(&proxy, &sites);
    // Caddy requests each of them again.
    restarts_unseen(&proxy, &mut sites, 50, |_| true);
    offloads(&proxy, &sites);
    drop(proxy);
    sites.end();
}

#[test]
fn the_readme_can_be_followed() {
    recipe::follow("caddy", "caddy", recipe::OFFLOADED);
}

/// The Docker recipe has a separate configuration.
#[test]
fn the_proxy_of_compose_asks_editors_for_a_password() {
    let sites = Sites::of(1, &[]);
    let address = free_port();
    let folder = tempfile::tempdir().unwrap();
    let text = configuration(
        "docker/Caddyfile",
        &[
            (
                ":80 {",
                &format!(":{} {{\n\tbind 127.0.0.1", address.port()),
            ),
            ("site:8080", &sites.address(0)),
            ("import /etc/caddy/editors", EDITOR),
        ],
    );
    let Some(proxy) = start(address, folder.path(), &text) else {
        return;
    };
    let browser = Browser::new(&proxy);
    let visitor = browser.get("/@@visitor", FORGED).text();
    let host = format!("\"site\":\"http://{}/\"", browser.host());
    assert!(
        visitor.contains(&host) && visitor.contains("127.0.0.2"),
        "{visitor}"
    );
    let head = "content-type: multipart/form-data; boundary=b\r\n";
    let body = "--b\r\ncontent-disposition: form-data; name=\"file\"; \
        filename=\"f\"\r\n\r\nx\r\n--b--\r\n";
    let body = body.as_bytes();
    assert_eq!(browser.ask("POST", "/", head, body).status, 401);
    assert_eq!(browser.post("/", head, body).status, 201);
    drop(proxy);
    sites.end();
}
