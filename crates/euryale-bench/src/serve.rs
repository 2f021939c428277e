//! The child process of a built-in server. It prints its ports on standard output and serves until
//! its standard input ends, so it never outlives its parent.

mod actix;
mod deadpool;
mod euryale;
mod fake;
mod schemes;
mod sizes;

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result, bail};
use axum::Router;
use rustix::net::sockopt::set_tcp_congestion;
use tower_http::services::ServeDir;

use crate::children;
use crate::scene::{PAGE, Scene, View};

/// Binds a listener for this scene. `congestion` is set if the network's default differs.
fn listen(congestion: Option<&str>) -> Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    if let Some(control) = congestion {
        // Accepted sockets inherit it from the listener.
        set_tcp_congestion(&listener, control).with_context(|| format!("setting TCP {control}"))?;
    }
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Serves as `peer`.
pub(crate) fn run(peer: &str, scene: &Scene, congestion: Option<&str>) -> Result<()> {
    children::end_with_parent();
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        std::process::exit(0);
    });
    let listener = listen(congestion)?;
    let port = listener.local_addr()?.port();
    match peer {
        "euryale" | "euryale-proxied" | "euryale-read" => {
            return euryale::serve(listener, scene, peer);
        }
        "actix-files" => return actix::serve(listener, scene),
        _ => {}
    }
    if let Some(fake) = fake::find(peer) {
        println!("{port}");
        return fake::serve(&listener, fake);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let router = router(peer, scene)?;
        println!("{port}");
        Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await?)
    })
}

/// Makes the router for `axum::serve`. Called on the server's runtime.
fn router(peer: &str, scene: &Scene) -> Result<Router> {
    Ok(match (peer, scene.view) {
        ("bare", View::Page) => schemes::bare(),
        ("semaphore", view @ (View::Page | View::Slow)) => {
            schemes::semaphore(scene.cap, schemes::work(view))
        }
        ("threads", view @ (View::Page | View::Slow)) => {
            schemes::threads(scene.cap, schemes::work(view))
        }
        ("pool-run", View::Page) => schemes::pool_run(scene.cap),
        ("pool-run-untimed", View::Page) => schemes::pool_run_untimed(scene.cap),
        ("stack", View::Page) => Router::new().fallback_service(euryale::page(scene.cap)),
        ("stack-lazy", View::Page) => Router::new().fallback_service(euryale::lazy_page(scene.cap)),
        ("stack", View::Read | View::Write) => {
            Router::new().fallback_service(euryale::sqlite(scene)?)
        }
        ("deadpool", View::Read | View::Write) => deadpool::router(scene)?,
        ("tower-http", View::Files) => {
            let page = axum::routing::get(|| async { PAGE });
            Router::new()
                .route("/", page)
                .fallback_service(ServeDir::new(&scene.folder))
        }
        (peer, view) => bail!("{peer} does not serve the view {}", view.name()),
    })
}
