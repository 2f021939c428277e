//! The program on PostgreSQL, whose server restarts under it. Without the feature, the flag says
//! how to build it.

#[cfg(feature = "postgres")]
use euryale_test::engines::{Postgres, Stop};

use super::ended;
#[cfg(feature = "postgres")]
use super::{Running, eventually};

#[cfg(not(feature = "postgres"))]
#[test]
fn flag_says_how_to_build_a_program_with_postgresql() {
    let refused = ended(&["--database", "postgres:///site"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("cargo build --release -p site --features postgres"),
        "{said}"
    );
}

#[cfg(feature = "postgres")]
#[test]
fn site_serves_again_after_its_server_has_restarted() {
    let Some(mut server) = Postgres::start() else {
        return;
    };
    let url = server.url(&server.create_database());
    let database = format!("--database={url}");
    for said in [
        "Applied 1 step of the schema.\n",
        "The database has the newest schema.\n",
    ] {
        let migrated = ended(&["migrate", &database]);
        assert!(migrated.status.success(), "{migrated:?}");
        assert_eq!(String::from_utf8(migrated.stdout).unwrap(), said);
    }
    let folder = tempfile::tempdir().unwrap();
    let site = Running::start(folder.path(), &[&database]);
    assert!(
        site.said()
            .contains("database connections: 1 × 2 of at most 97"),
        "{}",
        site.said()
    );
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "1");
    server.stop(Stop::Immediate);
    assert!(site.ask("POST", "/@@counter", "").is_try_again());
    server.launch();
    eventually("the site serves again", || {
        site.ask("GET", "/@@counter", "").text().trim() == "1"
    });
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "2");
    site.end_well();
}

#[cfg(feature = "postgres")]
#[test]
fn server_that_cannot_be_reached_is_named_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("--data={}", folder.path().display());
    let database = "--database=postgres://site@127.0.0.1:1/site";
    for flags in [
        &[database, &*data][..],
        &[database, &data, "--check-config"],
    ] {
        let refused = ended(flags);
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8(refused.stderr).unwrap();
        let line = said.lines().last().unwrap();
        assert!(line.contains("site@127.0.0.1:1/site"), "{said}");
    }
}
