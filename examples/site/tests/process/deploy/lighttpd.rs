use std::fs;

use super::program::{Proxy, of_debian};
use super::{Browser, Sites, behaves, configuration, editors, free_port, offloads, recipe};

/// The parts of Debian's lighttpd.conf around the files of `conf-enabled`.
const AROUND: &str = "
server.bind = \"127.0.0.1\"
server.port = PORT
server.document-root = \"FOLDER\"
server.upload-dirs = (\"FOLDER\")
server.errorlog = \"/dev/stderr\"
include \"FOLDER/euryale.conf\"
";

#[test]
fn the_site_behind_lighttpd() {
    let sites = Sites::start(&["--virtual-host-proxy=127.0.0.1", "--offload=/"]);
    let address = free_port();
    let folder = tempfile::tempdir().unwrap();
    let blobs = sites.data().join("blobs");
    let port = |at: usize| format!("\"port\" => {}", sites.addresses[at][0].port());
    let text = configuration(
        "lighttpd/euryale.conf",
        &[
            ("\"port\" => 8080", &port(0)),
            ("#(\"host\"", "(\"host\""),
            ("# \"x-sendfile\"", " \"x-sendfile\""),
            ("\"port\" => 8090", &port(1)),
            (
                "/etc/lighttpd/euryale.htpasswd",
                editors(folder.path()).as_str(),
            ),
            ("/srv/euryale/blobs", blobs.to_str().unwrap()),
        ],
    );
    fs::write(folder.path().join("euryale.conf"), text).unwrap();
    let around = AROUND.replace("FOLDER", folder.path().to_str().unwrap());
    let main = folder.path().join("lighttpd.conf");
    fs::write(&main, around.replace("PORT", &address.port().to_string())).unwrap();
    let mut command = of_debian("lighttpd");
    command.arg("-D").arg("-f").arg(main);
    let Some(proxy) = Proxy::start(address, folder.path(), command) else {
        return;
    };
    behaves(&proxy, &sites);
    offloads(&proxy, &sites);
    // An address that a client makes up, in lighttpd's format.
    let made_up = "VirtualHostBase/https/evil.test:443/VirtualHostRoot/_vh_evil/guides";
    let prefixes = ["", "/app", "/app/..", "/", "/app/", "/."];
    let prefixes = prefixes.iter().flat_map(|before| {
        [
            format!("{before}/_vh_evil/guides"),
            format!("{before}/%5fvh_evil/guides"),
        ]
    });
    let addresses = ["", "/app", "/app/.."].map(|before| format!("{before}/{made_up}"));
    for path in addresses.into_iter().chain(prefixes) {
        let answer = Browser::new(&proxy).get(&path, "accept: text/html\r\n");
        assert!(
            answer.status == 404 && !answer.text().contains("evil"),
            "{path}: {answer:?}"
        );
    }
    drop(proxy);
    sites.end();
}

#[test]
fn the_readme_can_be_followed() {
    recipe::follow("lighttpd", "lighttpd", recipe::OFFLOADED);
}
