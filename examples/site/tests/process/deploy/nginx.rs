use std::fs;

use tempfile::TempDir;

use super::program::{Proxy, of_debian};
use super::{Sites, behaves, configuration, editors, free_port, offloads, recipe, restarts_unseen};

/// The parts of Debian's nginx.conf around the files of `conf.d`.
const AROUND: &str = "
daemon off;
master_process off;
pid FOLDER/pid;
error_log stderr notice;
events {}
http {
    access_log off;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    include FOLDER/euryale.conf;
}
";

/// In front of these sites, with the recipe's file.
pub(super) fn in_front_of(sites: &Sites) -> Option<(Proxy, TempDir)> {
    let address = free_port();
    let folder = tempfile::tempdir().unwrap();
    let blobs = sites.data().join("blobs");
    let second = format!("server {}", sites.address(1));
    let text = configuration(
        "nginx/euryale.conf",
        &[
            ("listen 80;", &format!("listen {address};")),
            ("127.0.0.1:8080", &sites.address(0)),
            sites.second("#server 127.0.0.1:8090", &second),
            ("server_name www.example.org;", "server_name _;"),
            (
                "/etc/nginx/euryale.htpasswd",
                editors(folder.path()).as_str(),
            ),
            ("/srv/euryale/blobs", blobs.to_str().unwrap()),
        ],
    );
    fs::write(folder.path().join("euryale.conf"), text).unwrap();
    let name = folder.path().to_str().unwrap();
    let main = folder.path().join("nginx.conf");
    fs::write(&main, AROUND.replace("FOLDER", name)).unwrap();
    let mut command = of_debian("nginx");
    command.args(["-p", name, "-e", "stderr", "-c"]).arg(main);
    Some((Proxy::start(address, folder.path(), command)?, folder))
}

#[test]
fn the_site_behind_nginx() {
    let mut sites = Sites::start(&["--offload=/@@blobs"]);
    let Some((proxy, _folder)) = in_front_of(&sites) else {
        return;
    };
    behaves(&proxy, &sites);
    // nginx requests each of them again.
    restarts_unseen(&proxy, &mut sites, 50, |_| true);
    offloads(&proxy, &sites);
    drop(proxy);
    sites.end();
}

#[test]
fn the_readme_can_be_followed() {
    // nginx sends files only if the site says so, and other hosts get Debian's default page.
    let more = format!("{}{CHECKS}", recipe::OFFLOADED);
    recipe::follow("nginx", "nginx", &more);
}

const CHECKS: &str = r"
```console
$ curl -so /dev/null -w '%{http_code}\n' -H 'Host: www.example.org' http://127.0.0.1/@@blobs/
404
$ curl -s http://127.0.0.1/ | grep -c 'Euryale</h1>'
0
```
";
