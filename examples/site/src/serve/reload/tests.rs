use std::collections::BTreeSet;

use clap::CommandFactory;

use super::*;
use crate::demo::content;

/// Settings that count at once, with nothing rebuilt.
const AT_ONCE: [&str; 17] = [
    "connections",
    "half-close",
    "handshake-timeout",
    "head-timeout",
    "log-filter",
    "max-control-frames",
    "max-head",
    "max-headers",
    "max-queue",
    "max-resets",
    "max-files",
    "max-sockets",
    "max-sockets-per-peer",
    "max-streams",
    "tls-cert",
    "tls-key",
    "max-wait",
];

/// Each new setting must declare when a change of it takes effect.
#[test]
fn each_setting_is_of_one_kind() {
    let command = Settings::command();
    let names = command
        .get_arguments()
        .filter_map(|argument| argument.get_long());
    let mut names: Vec<&str> = names
        .filter(|name| {
            !["check-config", "config", "print-config", "help", "version"].contains(name)
        })
        .collect();
    let mut known = [&NEXT_START[..], &SITE, &AT_ONCE].concat();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, names);
}

#[test]
fn the_settings_page_names_those_of_the_next_start() {
    let page = content::samples()
        .find(|sample| sample.path == "/operate/settings")
        .unwrap();
    let (_, after) = page.body.split_once("SIGHUP reads file").unwrap();
    let (paragraph, _) = after.split_once("take effect").unwrap();
    let named: BTreeSet<&str> = paragraph.split('`').skip(1).step_by(2).collect();
    assert_eq!(named, BTreeSet::from(NEXT_START));
}
