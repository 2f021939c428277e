//! Tests which kinds of crates may be imported, and the table of all crates.

use std::collections::BTreeMap;

use super::{dev, lines, normal, package, whats};
use crate::deps::{count, show};
use crate::rules::Finding;
use crate::rules::dependencies::{self, Members};
use crate::rules::kinds::Kind;
use crate::workspace::Package;

/// One crate of each kind that the example needs, and a program.
fn members() -> Members<'static> {
    let kinds = [
        ("euryale", Kind::Facade),
        ("euryale-core", Kind::Ground),
        ("euryale-diazo", Kind::Library),
        ("euryale-server", Kind::Around),
        ("euryale-spool", Kind::Layer),
        ("euryale-sqlite", Kind::Database),
        ("euryale-subrequest", Kind::Transform),
        ("euryale-test", Kind::Tool),
        ("euryale-tiles", Kind::Transform),
        ("euryale-transform", Kind::Layer),
        ("euryale-wsgi", Kind::Gateway),
    ];
    let kinds = kinds.map(|(name, kind)| (name, Some(kind)));
    kinds.into_iter().chain([("site", None)]).collect()
}

fn of_kind(kind: Kind, mut package: Package) -> Package {
    package.kind = Some(kind.name().into());
    package.published = kind != Kind::Tool;
    package
}

fn layer(dependencies: Vec<crate::workspace::Dependency>) -> Package {
    of_kind(
        Kind::Layer,
        package("euryale-spool", "crates/euryale-spool", dependencies),
    )
}

fn directions(package: &Package) -> Vec<Finding> {
    dependencies::check(package, "[package]\nname = \"x\"\n", &members())
}

#[test]
fn each_kind_imports_only_what_its_rule_allows() {
    let members: Vec<&str> = members().into_keys().collect();
    let allowed = |kind| {
        let is_allowed = |name: &&str| {
            let package = package("euryale-x", "crates/euryale-x", vec![normal(name)]);
            directions(&of_kind(kind, package)).is_empty()
        };
        let allowed: Vec<&str> = members.iter().copied().filter(is_allowed).collect();
        allowed.join(" ")
    };
    assert_eq!(
        Kind::ALL.map(|kind| format!("{kind}: {}", allowed(kind))),
        [
            "ground: ",
            "library: ",
            "layer: euryale-core",
            "transform: euryale-core euryale-diazo euryale-subrequest euryale-tiles \
             euryale-transform",
            "database: euryale-core euryale-sqlite",
            "store: euryale-core",
            "after: euryale-core euryale-sqlite",
            "gateway: euryale-core",
            "host: euryale euryale-core euryale-server euryale-subrequest euryale-tiles \
             euryale-wsgi",
            "around: euryale-core euryale-server",
            "facade: euryale-core euryale-spool euryale-subrequest euryale-tiles \
             euryale-transform",
            "tool: euryale euryale-core euryale-diazo euryale-server euryale-spool \
             euryale-sqlite euryale-subrequest euryale-test euryale-tiles euryale-transform \
             euryale-wsgi",
        ]
    );
}

#[test]
fn the_transform_chain_is_the_only_layer_that_may_import_sub_requests() {
    let dependencies = || vec![normal("euryale-subrequest")];
    let folder = "crates/euryale-transform";
    let chain = package("euryale-transform", folder, dependencies());
    assert_eq!(directions(&of_kind(Kind::Layer, chain)), []);
    assert_eq!(directions(&layer(dependencies())).len(), 1);
}

#[test]
fn crates_that_are_no_members_are_free() {
    assert_eq!(directions(&layer(vec![normal("a-fork-of-tokio")])), []);
}

#[test]
fn kinds_are_read_as_they_are_written() {
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.name()), Some(kind));
    }
    assert_eq!(Kind::parse("layers"), None);
}

#[test]
fn exactly_tools_are_not_published() {
    let mut spool = layer(vec![]);
    assert_eq!(directions(&spool), []);
    spool.published = false;
    assert_eq!(lines(&directions(&spool)), [2]);
    let mut kit = of_kind(
        Kind::Tool,
        package("euryale-test", "crates/euryale-test", vec![]),
    );
    assert_eq!(directions(&kit), []);
    kit.published = true;
    assert_eq!(lines(&directions(&kit)), [2]);
}

#[test]
fn tests_may_depend_on_any_member() {
    assert_eq!(
        directions(&layer(vec![dev("euryale-test"), dev("euryale")])),
        []
    );
}

#[test]
fn every_crate_has_a_kind() {
    assert_eq!(
        lines(&directions(&package(
            "euryale-new",
            "crates/euryale-new",
            vec![]
        ))),
        [2]
    );
    assert_eq!(
        directions(&package("site", "examples/site", vec![normal("euryale")])),
        []
    );
}

#[test]
fn versions_suit_cargo_publish() {
    let mut spool = layer(vec![dev("euryale-test")]);
    spool.dependencies[0].versioned = true;
    assert_eq!(
        whats(&directions(&spool)),
        ["dev-dependency on member `euryale-test` carries a version"]
    );
    spool.dependencies = vec![normal("euryale-core")];
    spool.dependencies[0].versioned = false;
    assert_eq!(
        whats(&directions(&spool)),
        ["dependency on member `euryale-core` has no version"]
    );
    (spool.published, spool.folder) = (false, "examples/spool".into());
    assert_eq!(directions(&spool), []);
}

#[test]
fn a_finding_names_the_line_of_the_dependency() {
    let manifest = "[dependencies]\neuryale-core.workspace = true\n\
        euryale-spool = { path = \"../euryale-spool\" }\n";
    let core = vec![normal("euryale-spool")];
    let core = package("euryale-core", "crates/euryale-core", core);
    let core = of_kind(Kind::Ground, core);
    assert_eq!(
        dependencies::check(&core, manifest, &members())[0].to_string(),
        "crates/euryale-core/Cargo.toml:3: `euryale-core`, a crate of the kind ground, \
         depends on `euryale-spool`, a crate of the kind layer - meet in the facade, or move what \
         both need to `euryale-core`"
    );
}

// The sheet.

#[test]
fn a_crate_is_one_level_above_what_it_imports() {
    let members = members();
    let core = package("euryale-core", "crates/euryale-core", vec![]);
    let transform = vec![normal("euryale-core"), dev("euryale-spool")];
    let transform = package("euryale-transform", "crates/euryale-transform", transform);
    let tiles = vec![normal("euryale-transform"), normal("euryale-core")];
    let tiles = package("euryale-tiles", "crates/euryale-tiles", tiles);
    let site = package("site", "examples/site", vec![normal("euryale-tiles")]);
    let packages = [
        of_kind(Kind::Transform, tiles),
        of_kind(Kind::Ground, core),
        of_kind(Kind::Layer, transform),
        site,
    ];
    let prices = BTreeMap::from([("euryale-core", 21), ("euryale-tiles", 130)]);
    let expected = "level 2
  euryale-tiles      transform  130  euryale-core euryale-transform
level 1
  euryale-transform  layer        0  euryale-core
level 0
  euryale-core       ground      21
";
    assert_eq!(show(&packages, &members, &prices), expected);
}

#[test]
fn a_crate_counts_once() {
    assert_eq!(
        count("a v1 (/w/a)\nb v1\nc v1\nb v1 (*)\n\nc v1\nb v2\n"),
        3
    );
    assert_eq!(count("a v1\n"), 0);
}
