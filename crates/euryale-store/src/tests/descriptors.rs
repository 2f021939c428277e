//! Tests of a budget of descriptors that is used up.

use std::io::Write;

use euryale_core::body::{Descriptors, SpooledBody};
use euryale_core::error::NO_DESCRIPTOR;
use euryale_core::{Blob, Ledger};

use super::{BlobStore, Folder};

#[tokio::test]
async fn a_blob_beyond_the_budget_rolls_the_transaction_back_and_is_answered_503() {
    let ledger = Ledger::new();
    let mut folder = Folder::new();
    folder.store = folder.store.descriptors(&Descriptors::new(1, &ledger));
    let [name] = folder.keep(["one"]).await.unwrap();
    let held = folder.store.blob(&name).unwrap();
    let before = folder.names();
    let asked = name.clone();
    let refused = folder.transaction(move |store, transaction| {
        store.keep(SpooledBody::from("two"), transaction)?;
        Ok(store.blob(&asked)?)
    });
    let error = refused.await.unwrap_err();
    assert_eq!(error.code(), NO_DESCRIPTOR);
    assert_eq!(
        error.class().status(),
        http::StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(folder.names(), before, "nothing of it is left");
    assert_eq!(ledger.descriptors.refused.get(), 1);
    // A missing blob needs no descriptor.
    let missing = folder.store.blob("nothing").unwrap_err();
    assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    drop(held);
    drop(folder.store.blob(&name).unwrap());
    assert!(ledger.unsettled().is_empty(), "{:?}", ledger.unsettled());
    folder.end().await;
}

#[tokio::test]
async fn a_kept_body_holds_its_descriptor_while_it_is_open() {
    let ledger = Ledger::new();
    let descriptors = Descriptors::new(1, &ledger);
    let folder = Folder::new();
    let mut file = tempfile::tempfile_in(folder.root.path()).unwrap();
    file.write_all(b"spooled").unwrap();
    let blob = Blob::new(file).unwrap();
    let body = SpooledBody::from(blob.counted(descriptors.take(1).unwrap()));
    let again = body.clone();
    let kept = folder.transaction(move |store, transaction| Ok(store.keep(again, transaction)?));
    let name = kept.await.unwrap();
    assert_eq!(ledger.descriptors.in_use.get(), 1);
    let sent = body.as_blob().unwrap().clone();
    drop(body);
    assert_eq!(ledger.descriptors.in_use.get(), 1, "the same descriptor");
    drop(sent);
    assert!(ledger.unsettled().is_empty(), "{:?}", ledger.unsettled());
    assert_eq!(folder.text(&name), "spooled");
    folder.end().await;
}
