//! actix-web with actix-files.

use std::net::TcpListener;

use actix_web::{App, HttpServer, rt, web};
use anyhow::{Result, ensure};

use crate::scene::{PAGE, Scene, View};

pub(super) fn serve(listener: TcpListener, scene: &Scene) -> Result<()> {
    ensure!(
        scene.view == View::Files,
        "actix-files does not serve the view {}",
        scene.view.name()
    );
    let port = listener.local_addr()?.port();
    let folder = scene.folder.clone();
    rt::System::new().block_on(async move {
        let app = move || {
            App::new()
                .route("/", web::get().to(|| async { PAGE }))
                .service(actix_files::Files::new("/", folder.clone()))
        };
        let server = HttpServer::new(app)
            .workers(std::thread::available_parallelism()?.get())
            .disable_signals()
            .listen(listener)?;
        println!("{port}");
        server.run().await?;
        Ok(())
    })
}
