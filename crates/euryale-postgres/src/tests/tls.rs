//! Encrypted connections, and the servers that they refuse.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::{Duration, Instant};

use euryale_core::Database;
use euryale_core::error::CLIENT_GONE;
use euryale_core::transaction::{Access, Stopped};
use euryale_test::engines::{Postgres as Server, Setup};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::aws_lc_rs;

use super::Worker;
use super::open::refusal;
use crate::Postgres;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

fn install_provider() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| aws_lc_rs::default_provider().install_default().unwrap());
}

/// The settings of a client that connects to `server` as `host`.
fn pairs(server: &Server, host: &str, mode: &str, roots: &Path) -> String {
    let port = server.port();
    let roots = roots.display();
    format!(
        "host={host} hostaddr=127.0.0.1 port={port} user=euryale dbname=postgres sslmode={mode} \
         sslrootcert={roots}"
    )
}

/// A server with a certificate for `localhost`, and the file with its authority's.
struct Encrypted {
    server: Server,
    roots: PathBuf,
}

impl Encrypted {
    fn start() -> Option<Self> {
        install_provider();
        let setup = Setup::new()
            .listen()
            .hba("hostssl all all 127.0.0.1/32 trust");
        let server = setup.start()?;
        let authority = authority("ours");
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &authority).unwrap();
        let data = server.data();
        for (name, text) in [
            ("server.crt", certificate.pem()),
            ("server.key", key.serialize_pem()),
        ] {
            let file = data.join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            server.own(&file);
        }
        let roots = server.folder().join("root.crt");
        std::fs::write(&roots, authority.as_ref().pem()).unwrap();
        server.sql("postgres", "ALTER SYSTEM SET ssl = on");
        server.sql("postgres", "SELECT pg_reload_conf()");
        Some(Self { server, roots })
    }

    fn pairs(&self, host: &str, mode: &str, roots: &Path) -> String {
        pairs(&self.server, host, mode, roots)
    }

    /// Opens the database as soon as the server has read its settings again.
    fn open(&self) -> Postgres {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            match Postgres::open(&self.pairs("localhost", "verify-full", &self.roots)) {
                Ok(database) => return database,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
        }
    }
}

#[test]
fn an_encrypted_connection_checks_the_authority_and_the_name() {
    let Some(encrypted) = Encrypted::start() else {
        return;
    };
    let database = encrypted.open();
    let mut connection = database.connect().unwrap();
    let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(connection.query_one(sql, &[]).unwrap().get::<_, bool>(0));

    // The name is not checked with this mode.
    let roots = &encrypted.roots;
    drop(Postgres::open(&encrypted.pairs("elsewhere.example", "verify-ca", roots)).unwrap());
    let line = refusal(&encrypted.pairs("elsewhere.example", "verify-full", roots));
    assert!(
        line.contains("its certificate is for another name"),
        "{line}"
    );
    assert!(line.contains("sslmode=verify-ca"), "{line}");

    // An authority of another name, and another one of the same name.
    for (name, mode) in [
        ("theirs", "require"),
        ("theirs", "verify-ca"),
        ("theirs", "verify-full"),
        ("ours", "verify-full"),
    ] {
        let others = encrypted.server.folder().join("others.crt");
        std::fs::write(&others, authority(name).as_ref().pem()).unwrap();
        let line = refusal(&encrypted.pairs("localhost", mode, &others));
        let says = line.contains("no authority in sslrootcert has signed its certificate");
        assert!(says, "{line}");
    }
    for missing in ["nowhere.crt", "PG_VERSION"] {
        let file = encrypted.server.data().join(missing);
        let line = refusal(&encrypted.pairs("localhost", "verify-full", &file));
        assert!(line.contains("sslrootcert: "), "{line}");
        assert!(line.contains(missing), "{line}");
    }
}

#[test]
fn encryption_that_the_server_does_not_have_is_an_error_only_if_it_is_required() {
    install_provider();
    let setup = Setup::new().listen().hba("host all all 127.0.0.1/32 trust");
    let Some(server) = setup.start() else {
        return;
    };
    let roots = server.folder().join("root.crt");
    std::fs::write(&roots, authority("ours").as_ref().pem()).unwrap();
    drop(Postgres::open(&pairs(&server, "localhost", "prefer", &roots)).unwrap());
    for mode in ["require", "verify-full"] {
        let line = refusal(&pairs(&server, "localhost", mode, &roots));
        assert!(line.contains("turn on ssl in its settings"), "{line}");
    }
}

#[test]
fn a_cancel_is_encrypted_too() {
    let Some(encrypted) = Encrypted::start() else {
        return;
    };
    let database = encrypted.open();
    let mut worker = Worker::new(&database);
    let switch = worker.lender.switch();
    let error = std::thread::scope(|scope| {
        let server = &encrypted.server;
        scope.spawn(move || {
            let running = "SELECT count(*) FROM pg_stat_activity \
                WHERE state = 'active' AND query = 'SELECT pg_sleep(60)'";
            while server.sql("postgres", running) != "1" {
                std::thread::yield_now();
            }
            assert!(switch.fire(Stopped::ClientGone));
        });
        worker.run(Access::Read, |transaction| {
            transaction
                .connection()?
                .query("SELECT pg_sleep(60)", &[])?;
            Ok(())
        })
    });
    assert_eq!(error.unwrap_err().code(), CLIENT_GONE);
    assert_eq!(worker.book.not_cancelled.get(), 0);
}
