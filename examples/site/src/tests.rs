//! The site over real sockets, in this process. `tests/process` has what only a process can show.
//! `tests/killing` kills processes inside the site, so it is a part of this program.

mod composing;
mod compressing;
mod conditional;
mod counting;
mod deferring;
#[cfg(feature = "postgres")]
mod engines;
mod failing;
mod guiding;
#[path = "../tests/killing/killing.rs"]
mod killing;
mod naming;
mod noticing;
mod pages;
mod permitting;
mod promising;
mod proxying;
mod refusing;
mod requested;
mod scaling;
mod searching;
mod settings;
mod theming;
mod uploading;
mod writing;

use std::net::SocketAddr;
use std::path::Path;

use clap::Parser;
use euryale::{Ledger, Pool};
use euryale_agent_check::Resume;
use euryale_server::{Drained, Server, Shutdown};
use euryale_test::{Answer, RawClient, assert_quiet};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::cli::settings::Settings;
use crate::pages::theme::Theme;
use crate::serve::access_log::AccessLog;
use crate::serve::app;
use crate::serve::lanes::Lanes;
use crate::serve::permits::Rules;
use crate::serve::public;
use crate::serve::storage::Storage;
use crate::store::data::{Data, Location};
use crate::store::{Place, RawConnection};

/// A site that serves a new folder.
struct Site {
    address: SocketAddr,
    ledger: Ledger,
    folder: TempDir,
    shutdown: Shutdown,
    serving: JoinHandle<Drained>,
}

impl Site {
    async fn start(connections: usize) -> Self {
        Self::start_with(connections, &[]).await
    }

    async fn start_with(connections: usize, flags: &[&str]) -> Self {
        Self::start_on(None, connections, flags).await
    }

    /// On another database than the one in the folder.
    async fn start_on(place: Option<Place>, connections: usize, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut location = Location::from(folder.path());
        location.database = place.unwrap_or(location.database);
        let Data { engine, blobs } = Data::open(location).unwrap();
        let pool = Pool::builder(engine)
            .connections(connections)
            .lane(app::UPLOADS, 1)
            .lane(app::SEARCHES, 1)
            .build();
        let ledger = pool.ledger().clone();
        let blobs = blobs.ledger(ledger.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = Shutdown::new();
        let connections = format!("--connections={connections}");
        let all = ["site", "--max-upload=16M", &connections]
            .into_iter()
            .chain(flags.iter().copied());
        let settings = Settings::parse_from(all);
        let theme = Theme::open(&settings.theme).unwrap();
        let storage = Storage::new(blobs, &settings, &ledger);
        let server = Server::new().ledger(ledger.clone()).listen(listener);
        let lanes = Lanes::new(&ledger);
        let app = app::app(pool, storage, lanes, &theme, &settings, Resume::new());
        let rules = Rules::new(&settings, true);
        let access = AccessLog::new(&settings, None, &shutdown);
        let app = public::around(app, &settings, rules, access);
        let serving = tokio::spawn(server.serve(app, shutdown.clone()));
        Self {
            address,
            ledger,
            folder,
            shutdown,
            serving,
        }
    }

    async fn peer(&self) -> RawClient {
        RawClient::connect(self.address).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.peer().await.get(path).await.unwrap()
    }

    async fn post(&self, path: &str) -> Answer {
        self.peer().await.post(path, b"").await.unwrap()
    }

    /// As a browser asks.
    async fn browse(&self, method: &str, path: &str) -> Answer {
        let mut peer = self.peer().await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\naccept: text/html,*/*;q=0.8\r\n\
             content-length: 0\r\n\r\n"
        );
        peer.send(head).await.unwrap();
        peer.read_answer(method == "HEAD").await.unwrap()
    }

    /// A request with these header lines, each with its end.
    async fn send(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let length = body.len();
        let mut peer = self.peer().await;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\
                {headers}\r\n"
        );
        peer.send(head + body).await.unwrap();
        peer.read_answer(false).await.unwrap()
    }

    /// A connection to the same file, like that of another program.
    fn other_program(&self) -> RawConnection {
        connection(self.folder.path())
    }

    /// The end of every test: the drain is clean and nothing is held.
    async fn end(self) {
        self.shutdown.drain();
        assert!(self.serving.await.unwrap().is_complete());
        assert_quiet(&self.ledger).await;
    }
}

fn connection(folder: &Path) -> RawConnection {
    RawConnection::open(folder.join("site.db")).unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer
        .headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}
