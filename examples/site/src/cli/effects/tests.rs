//! Each row of the table, and every setting.

use clap::Parser;

use super::*;

/// Settings that always have an effect, with the reason where it is not obvious.
const ALWAYS: [&str; 35] = [
    "access-log",
    "admin",
    "agent",
    "allow-writes",
    // Bodies of refused requests are read to their end, too.
    "body-timeout",
    "connections",
    "console",
    "data",
    "database",
    "demo",
    "drain",
    "half-close",
    "head-timeout",
    "heap-arenas",
    "host",
    "idle-timeout",
    "lame-duck",
    "log-file",
    "log-filter",
    "log-format",
    // HTTP/2 without TLS is served as well, by prior knowledge.
    "max-control-frames",
    "max-files",
    "max-head",
    "max-headers",
    "max-queue",
    "max-resets",
    "max-sockets",
    "max-streams",
    "max-wait",
    "processes",
    "publish-deadline",
    "request-id",
    "theme",
    "virtual-host",
    "write-timeout",
];

fn found(flags: &[&str], ways: Option<Ways>) -> (Vec<String>, Vec<String>) {
    let settings = Settings::parse_from([&["site"], flags].concat());
    let ways = ways.unwrap_or_else(|| Ways::of(&settings));
    let rules = Rules::new(&settings, ways == Ways::of(&settings));
    let findings = find(&settings, ways, rules).unwrap();
    let named = |findings: Vec<StartError>| {
        let line = |finding: StartError| {
            let line = finding.to_string();
            let flag = line.split(" - ").nth(1).unwrap();
            flag.trim_start_matches("--").to_owned()
        };
        findings.into_iter().map(line).collect()
    };
    (named(findings.warnings), named(findings.errors))
}

const TCP: &str = "--listen=127.0.0.1:0";
const UNIX: &str = "--listen=unix:/s";
const TLS: &str = "--listen=tls:127.0.0.1:0";

#[test]
fn each_setting_is_listed_once_by_whether_it_may_have_no_effect() {
    let command = Settings::command();
    let mut names: Vec<&str> = command
        .get_arguments()
        .filter_map(|argument| argument.get_long())
        .filter(|name| !["check-config", "config", "print-config"].contains(name))
        .collect();
    let mut listed: Vec<&str> = NEEDS.iter().map(|need| need.setting).collect();
    listed.sort_unstable();
    listed.dedup();
    listed.extend(ALWAYS);
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names);
}

/// For each row, flags without effect, and the same flags with what they need.
#[test]
fn setting_without_effect_is_found_and_one_with_effect_is_not() {
    let inherited = Ways {
        tcp: true,
        is_inherited: true,
        ..Ways::default()
    };
    let cases: [(&str, &[&str], &[&str]); 23] = [
        (
            "unix-mode",
            &["--unix-mode=600"],
            &["--unix-mode=600", UNIX],
        ),
        (
            "unix-owner",
            &["--unix-owner=:0"],
            &["--unix-owner=:0", UNIX],
        ),
        (
            "reuse-port",
            &["--reuse-port", UNIX],
            &["--reuse-port", TCP],
        ),
        (
            "handshake-timeout",
            &["--handshake-timeout=1s"],
            &["--handshake-timeout=1s", TLS],
        ),
        (
            "handshake-timeout",
            &["--handshake-timeout=1s"],
            &["--handshake-timeout=1s", "--proxy-protocol=::1"],
        ),
        (
            "max-sockets-per-peer",
            &["--max-sockets-per-peer=9", UNIX],
            &["--max-sockets-per-peer=9", UNIX, "--proxy-protocol=unix"],
        ),
        (
            "proxy-protocol",
            &["--proxy-protocol=unix"],
            &["--proxy-protocol=unix", UNIX],
        ),
        (
            "proxy-protocol",
            &["--proxy-protocol=::1", UNIX],
            &["--proxy-protocol=::1", UNIX, TCP],
        ),
        (
            "trusted-proxy",
            &["--trusted-proxy=unix"],
            &["--trusted-proxy=unix", UNIX],
        ),
        (
            "trusted-proxy",
            &["--trusted-proxy=::1", UNIX],
            &["--trusted-proxy=::1", UNIX, "--proxy-protocol=unix"],
        ),
        (
            "virtual-host-proxy",
            &["--virtual-host-proxy=unix"],
            &["--virtual-host-proxy=unix", UNIX],
        ),
        (
            "virtual-host-proxy",
            &["--virtual-host-proxy=::1", UNIX],
            &["--virtual-host-proxy=::1", TCP],
        ),
        (
            "forwarded-field",
            &["--forwarded-field=forwarded"],
            &["--forwarded-field=forwarded", "--trusted-proxy=::1"],
        ),
        (
            "offload",
            &["--offload=/b"],
            &["--offload=/b", "--trusted-proxy=::1"],
        ),
        (
            "max-upload",
            &["--max-upload=2G", "--host=a.test"],
            &["--max-upload=2G", "--host=a.test", "--allow-writes"],
        ),
        (
            "body-memory",
            &["--body-memory=64M", "--host=a.test"],
            &["--body-memory=64M"],
        ),
        (
            "body-disk",
            &["--body-disk=9G", "--host=a.test"],
            &["--body-disk=9G"],
        ),
        (
            "feed-host",
            &["--feed-host=a.test", "--demo=false"],
            &[
                "--feed-host=a.test",
                "--demo=false",
                "--news=https://a.test/feed",
            ],
        ),
        (
            "private-feed-host",
            &["--private-feed-host=a.test", "--demo=false"],
            &["--private-feed-host=a.test"],
        ),
        (
            "news",
            &["--news=https://a.test/feed"],
            &["--news=https://a.test/feed", "--private-feed-host=a.test"],
        ),
        (
            "theme-parameter",
            &["--theme-parameter=a=b"],
            &["--theme-parameter=a=b", "--theme=./folder"],
        ),
        (
            "theme-mount",
            &["--theme-mount=a=b"],
            &["--theme-mount=a=b", "--theme=./folder"],
        ),
        (
            "edge-includes",
            &["--edge-includes=esi"],
            &["--edge-includes=esi", "--theme=./folder"],
        ),
    ];
    for (setting, without, with) in cases {
        assert_eq!(
            found(without, None),
            (vec![setting.to_owned()], vec![]),
            "{without:?}"
        );
        assert_eq!(found(with, None), (vec![], vec![]), "{with:?}");
    }
    let certificates = ["--tls-cert=/c", "--tls-key=/k"];
    let both = vec!["tls-cert".to_owned(), "tls-key".to_owned()];
    assert_eq!(found(&certificates, None), (vec![], both.clone()));
    assert_eq!(
        found(&[&certificates[..], &[TLS]].concat(), None),
        (vec![], vec![])
    );
    // A tls: address is ignored if systemd has passed a socket without TLS.
    let listen = vec!["listen".to_owned()];
    let found_inherited = found(&[&certificates[..], &[TLS]].concat(), Some(inherited));
    assert_eq!(found_inherited, (listen, both));
    let named_tls = Ways {
        tls: true,
        ..inherited
    };
    assert_eq!(found(&certificates, Some(named_tls)), (vec![], vec![]));
}
