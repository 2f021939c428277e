use std::fs;

use super::program::{Proxy, of_debian};
use super::{Sites, behaves, configuration, editors, free_port, offloads, recipe};

/// The site configuration of Debian's apache2.conf, with the modules that our configuration names.
const AROUND: &str = "
ServerRoot FOLDER
ServerName localhost
PidFile FOLDER/pid
Mutex file:FOLDER
ErrorLog /dev/stderr
Listen ADDRESS
";

const MODULES: [&str; 16] = [
    "mpm_event",
    "auth_basic",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "headers",
    "lbmethod_bybusyness",
    "lbmethod_byrequests",
    "proxy",
    "proxy_balancer",
    "proxy_http",
    "proxy_wstunnel",
    "rewrite",
    "slotmem_shm",
    "xsendfile",
];

#[test]
fn the_site_behind_apache() {
    let sites = Sites::start(&["--offload=/"]);
    let address = free_port();
    let folder = tempfile::tempdir().unwrap();
    let blobs = sites.data().join("blobs");
    let text = configuration(
        "apache/euryale.conf",
        &[
            ("*:80>", &format!("{address}>")),
            ("127.0.0.1:8080", &sites.address(0)),
            (
                "#BalancerMember http://127.0.0.1:8090",
                &format!("BalancerMember http://{}", sites.address(1)),
            ),
            (
                "/etc/apache2/euryale.htpasswd",
                editors(folder.path()).as_str(),
            ),
            ("/srv/euryale/blobs", blobs.to_str().unwrap()),
        ],
    );
    let around = AROUND.replace("FOLDER", folder.path().to_str().unwrap());
    let mut main = around.replace("ADDRESS", &address.to_string());
    for module in MODULES {
        main += &format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n");
    }
    if is_root() {
        main += "User www-data\nGroup www-data\n";
    }
    fs::write(folder.path().join("apache2.conf"), main + &text).unwrap();
    let mut command = of_debian("apache2");
    // A single process, so no children can be left behind.
    command
        .arg("-X")
        .arg("-f")
        .arg(folder.path().join("apache2.conf"));
    let Some(proxy) = Proxy::start(address, folder.path(), command) else {
        return;
    };
    behaves(&proxy, &sites);
    offloads(&proxy, &sites);
    drop(proxy);
    sites.end();
}

/// Apache refuses to serve as root, so it changes to another user.
fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap()) == 0
}

#[test]
fn the_readme_can_be_followed() {
    recipe::follow("apache", "apache2", recipe::OFFLOADED);
}
