//! The program that is killed: the site, with a publisher around its own that holds requests at a
//! point.

use std::io::BufRead;
use std::path::Path;

use axum::extract::State;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use clap::Parser;
use euryale::spool::SpoolBook;
use euryale::store::FolderStore;
use euryale::transaction::Participant;
use euryale::{Abort, BoxError, Ledger, Pool, Publisher, Request, Response, Transaction};
use euryale_agent_check::Resume;
use euryale_server::{Server, Shutdown};
use euryale_test::eventually;
use tokio::net::TcpListener;

use super::point::{GO_ON, Point, say};
use crate::cli::settings::Settings;
use crate::pages::files;
use crate::pages::form::{self, Posted};
use crate::pages::page::Pages;
use crate::pages::theme::Theme;
use crate::serve::app::{self, Site, UPLOADS};
use crate::serve::lanes::Lanes;
use crate::serve::storage::Storage;
use crate::store::Engine;
use crate::store::data::Data;

/// Serves the site in `folder` until it is killed, or until the process that started it has ended.
pub(super) fn serve(folder: &Path) {
    std::thread::spawn(|| {
        std::io::stdin()
            .lock()
            .lines()
            .map_while(Result::ok)
            .for_each(|_| GO_ON.open());
        std::process::exit(0);
    });
    let Data { engine, blobs } = Data::open(folder).unwrap();
    // Two uploads at a time: they wait for each other in SQLite as well.
    let pool = Pool::builder(engine)
        .connections(4)
        .lane(UPLOADS, 2)
        .build();
    let ledger = pool.ledger().clone();
    let settings = Settings::parse_from(["site"]);
    let holding = |site| Holding {
        site,
        pages: Pages::new(),
        blobs: blobs.clone(),
    };
    let theme = Theme::open(&settings.theme).unwrap();
    let app = app::app_with(
        pool,
        Storage::new(blobs.clone(), &settings, &ledger),
        Lanes::new(&ledger),
        &theme,
        &settings,
        Resume::new(),
        holding,
    )
    .layer(from_fn(hold_answer))
    .layer(from_fn_with_state(ledger.clone(), hold_spooling));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        say(&listener.local_addr().unwrap().to_string());
        Server::new()
            .ledger(ledger)
            .listen(listener)
            .serve(app, Shutdown::new())
            .await
    });
}

async fn hold_spooling(
    State(ledger): State<Ledger>,
    request: axum::extract::Request,
    next: Next,
) -> impl IntoResponse {
    if Point::of(request.headers()) == Some(Point::Spooling) {
        tokio::spawn(async move {
            eventually("a file has come", || {
                ledger.of::<SpoolBook>().files.get() > 0
            })
            .await;
            Point::Spooling.announce();
        });
    }
    next.run(request).await
}

async fn hold_answer(request: axum::extract::Request, next: Next) -> impl IntoResponse {
    let point = Point::of(request.headers());
    let response = next.run(request).await;
    if point == Some(Point::Answering) {
        Point::Answering.announce();
        std::future::pending::<()>().await;
    }
    response
}

/// The site's publisher, and the state for holding a request inside its transaction.
struct Holding {
    site: Site,
    pages: Pages,
    blobs: FolderStore,
}

impl Publisher<Engine> for Holding {
    fn publish(
        &self,
        request: &Request,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<Response, Abort> {
        let Some(point) = Point::of(request.headers()) else {
            return self.site.publish(request, transaction);
        };
        match point {
            Point::Begun => {
                transaction.connection()?;
                point.hold();
            }
            Point::Hook => transaction.before_commit(move |_| {
                point.hold();
                Ok(())
            }),
            Point::Committing => transaction.before_commit(move |_| {
                point.announce();
                Ok(())
            }),
            Point::FirstVote | Point::FirstFinish => transaction.join(Stop(point)),
            // Replaces the hook that guards transactions, because the connection has room for only
            // one.
            Point::Asked => transaction
                .connection()?
                .sqlite()
                .commit_hook(Some(move || {
                    point.hold();
                    false
                }))?,
            Point::Written => transaction.connection()?.sqlite().wal_hook(Some(|_, _| {
                Point::Written.hold();
                Ok(())
            })),
            Point::After => transaction.after_commit(move || point.hold()),
            _ => {}
        }
        let response = match point {
            Point::BetweenVotes | Point::BetweenFinishes => {
                self.halves(point, request, transaction)?
            }
            _ => self.site.publish(request, transaction)?,
        };
        match point {
            Point::Published => point.hold(),
            Point::LastVote | Point::LastFinish => transaction.join(Stop(point)),
            _ => {}
        }
        Ok(response)
    }
}

impl Holding {
    /// The site's steps for an upload: for the first file, and then for the others.
    fn halves(
        &self,
        point: Point,
        request: &Request,
        transaction: &mut Transaction<'_, Engine>,
    ) -> Result<Response, Abort> {
        let Ok(Posted::Files(uploads)) = form::read(request) else {
            panic!("no upload is held at {point:?}")
        };
        let (first, others) = uploads.split_at(1);
        files::take(&self.pages, &self.blobs, "/", first, request, transaction)?;
        transaction.join(Stop(point));
        files::take(&self.pages, &self.blobs, "/", others, request, transaction)
    }
}

/// Only holds the transaction at its place among the participants.
struct Stop(Point);

impl Participant for Stop {
    fn vote(&mut self) -> Result<(), BoxError> {
        if matches!(
            self.0,
            Point::FirstVote | Point::BetweenVotes | Point::LastVote
        ) {
            self.0.hold();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        if matches!(
            self.0,
            Point::FirstFinish | Point::BetweenFinishes | Point::LastFinish
        ) {
            self.0.hold();
        }
        Ok(())
    }

    fn abort(&mut self) {}
}
