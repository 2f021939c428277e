use euryale_blob::{BlobBook, ServeBlobLayer};
use euryale_core::Ledger;
use euryale_sendfile::SendfileBook;
use euryale_sendfile::axum::{SendfileListener, sendfile};
use euryale_test::{assert_quiet, run_readme};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread")]
async fn the_readme_is_true() {
    let ledger = Ledger::new();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let blob = crate::copy_of(path.as_ref()).unwrap();
    let app = crate::app(blob, ServeBlobLayer::new().ledger(ledger.clone()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = SendfileListener::new(listener).ledger(ledger.clone());
    let serving = tokio::spawn(axum::serve(listener, sendfile(app)).into_future());
    run_readme(include_str!("../README.md"), address);
    assert_eq!(
        (
            ledger.of::<SendfileBook>().blobs.get(),
            ledger.of::<BlobBook>().read.get()
        ),
        (2, 0)
    );
    assert_quiet(&ledger).await;
    serving.abort();
}
