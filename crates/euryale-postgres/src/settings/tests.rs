use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::{Environment, Host, Passwords, Place, Settings, SslMode, Target};

fn around(variables: &[(&str, &str)]) -> Environment {
    Environment::of(variables, "me", Path::new("/nowhere"))
}

fn read(text: &str) -> Settings {
    Settings::read(text, &around(&[])).unwrap()
}

fn refusal(text: &str) -> String {
    Settings::read(text, &around(&[])).unwrap_err().to_string()
}

fn name(name: &str, port: u16) -> Host {
    Host {
        place: Place::Name(name.into(), None),
        port,
    }
}

#[test]
fn a_url_and_pairs_say_the_same() {
    let url = "postgres://a%40b:s%3Acret@h1,[::1]:6432/my%20base?target_session_attrs=read-write\
        &sslmode=verify-full&connect_timeout=3";
    let pairs = "user=a@b password = 's:cret' host=h1,::1 port=5432,6432 dbname='my base' \
        target_session_attrs=read-write sslmode=verify-full connect_timeout=3";
    for text in [url, pairs] {
        let settings = read(text);
        assert_eq!(settings.user, "a@b");
        assert_eq!(settings.password.as_deref(), Some("s:cret"));
        assert_eq!(settings.database, "my base");
        assert_eq!(settings.hosts, [name("h1", 5432), name("::1", 6432)]);
        assert_eq!(settings.target, Target::ReadWrite);
        assert_eq!(settings.ssl_mode, SslMode::VerifyFull);
        assert_eq!(settings.connect_timeout, Duration::from_secs(3));
        assert!(!settings.has_pooler);
    }
}

#[test]
fn a_folder_is_a_socket() {
    let folder = Host {
        place: Place::Folder("/run/pg".into()),
        port: 5433,
    };
    let expected = std::slice::from_ref(&folder);
    assert_eq!(read("postgres://%2Frun%2Fpg:5433/x").hosts, expected);
    assert_eq!(read("postgres:///x?host=/run/pg&port=5433").hosts, expected);
    assert_eq!(folder.to_string(), "/run/pg/.s.PGSQL.5433");
}

#[test]
fn variables_fill_what_the_text_leaves_open() {
    let around = around(&[
        ("PGHOST", "db"),
        ("PGPORT", "6000"),
        ("PGUSER", "them"),
        ("PGPASSWORD", "pw"),
        ("PGDATABASE", "other"),
        ("PGAPPNAME", "tests"),
    ]);
    let settings = Settings::read("postgres:///mine", &around).unwrap();
    assert_eq!(settings.hosts, [name("db", 6000)]);
    assert_eq!(settings.user, "them");
    assert_eq!(settings.password.as_deref(), Some("pw"));
    assert_eq!(settings.database, "mine");
    assert_eq!(settings.application_name, "tests");
    let settings = Settings::read("", &around).unwrap();
    assert_eq!(settings.database, "other");
}

#[test]
fn the_user_is_the_default_of_the_database() {
    let settings = read("host=h");
    assert_eq!(settings.user, "me");
    assert_eq!(settings.database, "me");
}

#[test]
fn mistakes_are_named_and_passwords_are_not() {
    for (text, named) in [
        (
            "postgres://h/x?sslmode=on",
            "sslmode: `on` is not one of disable, allow",
        ),
        (
            "postgres://h/x?colour=red",
            "the parameter `colour` is not supported",
        ),
        ("postgres://h/x?options=-c%20a%3Db", "ALTER ROLE"),
        ("host=h port=many", "port: `many`"),
        ("host=a,b,c port=1,2", "one for each host"),
        ("host='h", "a quote is not closed"),
        ("localhost", "neither a URL"),
        (
            "postgres://h/x?client_encoding=LATIN1",
            "client_encoding: `LATIN1`",
        ),
    ] {
        let refused = refusal(text);
        assert!(refused.contains(named), "{refused}");
        assert!(!refused.contains('\n'));
    }
    let hidden = "postgres://u:swordfish@h/x?sslmode=on";
    assert!(!refusal(hidden).contains("swordfish"));
    // Characters of a password that would have to be written in another way.
    for text in [
        "postgres://u:tuna/trout@h/x",
        "postgres://u:1/trout@h/x",
        "postgres://u:tuna?trout=1@h/x",
        "host=h password=my tuna trout=1",
        "host=h password=my trout=1",
    ] {
        let refused = refusal(text);
        assert!(
            !refused.contains("tuna") && !refused.contains("trout"),
            "{refused}"
        );
    }
    let settings = read("postgres://u:swordfish@h/x");
    assert!(!format!("{settings:?}").contains("swordfish"));
    let refused = Settings::read("", &around(&[("PGOPTIONS", "-c x=y")])).unwrap_err();
    assert!(refused.to_string().contains("PGOPTIONS"));
}

#[test]
fn the_first_line_of_the_password_file_that_fits_counts() {
    let passwords = Passwords::parse(
        "# a comment\n\
         h1:5432:base:me:one\n\
         h1:*:*:me:tw\\:o:x\n\
         localhost:5432:*:*:socket\n\
         short:line\n\
         *:*:*:*:any\n",
    );
    let find = |host: &Host, database: &str| passwords.find(host, database, "me").unwrap();
    assert_eq!(find(&name("h1", 5432), "base"), "one");
    assert_eq!(find(&name("h1", 5432), "other"), "tw:o:x");
    assert_eq!(find(&name("h2", 5432), "base"), "any");
    let socket = Host {
        place: Place::Folder("/var/run/postgresql".into()),
        port: 5432,
    };
    assert_eq!(find(&socket, "base"), "socket");
}

#[test]
fn a_password_file_that_others_can_read_is_ignored() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    std::fs::write(&file, "*:*:*:*:secret\n").unwrap();
    let around = Environment::of(&[], "me", home.path());
    let password = || {
        let settings = Settings::read("host=h", &around).unwrap();
        settings.password_for(&settings.hosts[0]).map(str::to_owned)
    };
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(password(), None);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(password().as_deref(), Some("secret"));
}
