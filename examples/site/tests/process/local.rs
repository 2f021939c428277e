//! What a local site permits, and what every other site needs from its operator.

use std::fs;

use super::clients::run;
use super::edge::activate;
use super::{Running, eventually, get, rest, send_to};

const OPEN: &str = "local: writing is on (--allow-writes), demonstrations are on (--demo)";
const CLOSED: &str = "not local: writing is off (--allow-writes), demonstrations are off (--demo)";

#[test]
fn first_line_says_whether_the_site_is_local_and_names_the_flags() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let socket = format!("--listen=unix:{}", folder.path().join("s").display());
    let cases: [(&[&str], &str); 14] = [
        (&[], OPEN),
        (&["--listen=[::1]:0", "--agent=127.0.0.1:0"], OPEN),
        (&["--listen=0", "--listen=localhost:0"], OPEN),
        (&["--listen=0.0.0.0:0"], CLOSED),
        (&["--listen=:0"], CLOSED),
        (&["--listen=[::]:0"], CLOSED),
        (&[&socket], CLOSED),
        (&["--agent=0.0.0.0:0"], CLOSED),
        (&["--trusted-proxy=127.0.0.1"], CLOSED),
        (&["--virtual-host-proxy=127.0.0.1"], CLOSED),
        (&["--virtual-host=shown.test/guides"], CLOSED),
        (&["--host=localhost"], CLOSED),
        (&["--proxy-protocol=192.0.2.1"], CLOSED),
        (
            &["--host=localhost", "--allow-writes"],
            "not local: writing is on (--allow-writes), demonstrations are off (--demo)",
        ),
    ];
    for (flags, says) in cases {
        let site = Running::start(&data, flags);
        let line = format!(" - {says} - operators: ");
        assert!(
            site.greeting.contains(&line),
            "{flags:?}: {}",
            site.greeting
        );
        site.end_well();
    }
}

#[test]
fn site_with_operators_elsewhere_or_an_inherited_socket_is_not_local() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let elsewhere = Running::spawn_at(super::site(&[]), ([0, 0, 0, 0], 0).into(), &data, &[]);
    assert!(
        elsewhere.greeting.contains(CLOSED),
        "{}",
        elsewhere.greeting
    );
    elsewhere.end_well();
    if run("python3", &["-c", ""]).is_none() {
        return;
    }
    let cases: [(&str, &[&str]); 6] = [
        ("http", &[]),
        // The names by which the children of a parent recognize its sockets.
        ("listen", &[]),
        ("listen-tls", &[]),
        ("http", &["--processes=2"]),
        ("listen", &["--processes=2"]),
        ("operators", &["--processes=2"]),
    ];
    for (name, flags) in cases {
        let inherited = Running::spawn(activate(name), &data, flags);
        assert!(
            inherited.greeting.contains(CLOSED),
            "{name} {flags:?}: {}",
            inherited.greeting
        );
        let refused = get(inherited.public[0], "/@@slow?ms=1").unwrap();
        assert!(
            refused.starts_with("HTTP/1.1 403"),
            "{name} {flags:?}: {refused}"
        );
        inherited.end_well();
    }
}

/// The log has the address that the client requested, not the page that it got.
#[test]
fn refused_request_is_logged_as_it_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &["--host=localhost"]);
    let refused = site.upload("large.bin", &[7; 4 << 20]);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("--allow-writes"), "{refused:?}");
    let metrics = get(site.admin, "/metrics").unwrap();
    assert!(metrics.contains("\neuryale_spool_bytes 0\n"), "{metrics}");
    let said = site.end_well();
    assert!(said.contains("POST / status=403"), "{said}");
}

/// A page of `evil.example` whose name was changed to resolve to this machine is a page of another
/// site.
#[test]
fn local_site_and_its_operators_answer_localhost_and_addresses_only() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("site.toml");
    fs::write(&config, "").unwrap();
    let config_flag = format!("--config={}", config.display());
    let site = Running::start(&folder.path().join("data"), &[&config_flag]);
    let status = |admin: bool, host: &str| {
        let (address, path) = match admin {
            true => (site.admin, "/status.json"),
            false => (site.public[0], "/history"),
        };
        let answer = rest(send_to(address, host, path).unwrap()).unwrap();
        answer[9..12].parse::<u16>().unwrap()
    };
    for admin in [false, true] {
        for host in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
        ] {
            assert_eq!(status(admin, host), 421, "{host}");
        }
        for host in ["localhost", "127.0.0.1:8080", "[::1]", "192.0.2.1"] {
            assert_eq!(status(admin, host), 200, "{host}");
        }
    }
    // A site for others has separate hosts, and so do its operators.
    let reload = |settings: &str, until: &str| {
        fs::write(&config, settings).unwrap();
        site.signal("-HUP");
        eventually(until, || site.said().matches(until).count() == 1);
    };
    reload(
        "host = [\"example.org\"]\n",
        "the site is not local: writing is off",
    );
    assert_eq!(status(true, "ops.example"), 200);
    assert_eq!(status(false, "example.org"), 200);
    assert_eq!(status(false, "evil.example"), 421);
    reload("", "the site is local: writing is on");
    assert_eq!(status(true, "ops.example"), 421);
    assert_eq!(status(false, "example.org"), 421);
    site.end_well();
}

#[test]
fn permissions_follow_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("site.toml");
    fs::write(&config, "host = [\"localhost\"]\n").unwrap();
    let config_flag = format!("--config={}", config.display());
    let site = Running::start(&folder.path().join("data"), &[&config_flag]);
    assert_eq!(site.upload("a.bin", b"a").status, 403);
    fs::write(
        &config,
        "host = [\"localhost\"]\nallow-writes = true\ndemo = true\n",
    )
    .unwrap();
    site.signal("-HUP");
    eventually("it is read", || {
        site.said()
            .contains("reloaded changed=\"allow-writes, demo\"")
    });
    assert_eq!(site.upload("a.bin", b"a").status, 201);
    assert!(
        get(site.public[0], "/@@slow?ms=1")
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    site.end_well();
}
