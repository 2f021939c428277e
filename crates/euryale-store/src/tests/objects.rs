//! Tests of the rules for every store, run against the folder and against a store whose bytes are
//! elsewhere.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use euryale_connection::Pool;
use euryale_core::body::{SpooledBody, UnnamedFile};
use euryale_core::error::IN_DOUBT;
use euryale_core::transaction::{Fault, Participant};
use euryale_core::{Abort, Blob, BoxError, Database, Error, Transaction};
use euryale_test::{Behaviour, CountingDatabase, Step, assert_quiet};

use super::{BlobStore, FolderStore, Tx};

/// A simulated object storage.
#[derive(Clone, Default)]
struct Objects(Arc<Mutex<Bucket>>);

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Bytes>,
    given: u64,
}

impl Objects {
    fn delete(&self, name: &str) {
        self.0.lock().unwrap().objects.remove(name);
    }
}

impl BlobStore for Objects {
    fn blob(&self, name: &str) -> io::Result<Blob> {
        let bytes = self.0.lock().unwrap().objects.get(name).cloned();
        let mut copy = UnnamedFile::create(std::env::temp_dir())?;
        copy.write_all(&bytes.ok_or(io::ErrorKind::NotFound)?)?;
        copy.into_blob()
    }

    fn keep<D: Database>(
        &self,
        body: SpooledBody,
        transaction: &mut Transaction<'_, D>,
    ) -> io::Result<String> {
        let mut bucket = self.0.lock().unwrap();
        bucket.given += 1;
        let name = format!("object-{}", bucket.given);
        transaction.join(Put {
            store: self.clone(),
            name: name.clone(),
            body,
        });
        Ok(name)
    }

    fn remove<D: Database>(&self, name: &str, transaction: &mut Transaction<'_, D>) {
        transaction.join(Delete {
            store: self.clone(),
            name: name.to_owned(),
        });
    }
}

struct Put {
    store: Objects,
    name: String,
    body: SpooledBody,
}

impl Participant for Put {
    fn vote(&mut self) -> Result<(), BoxError> {
        let bytes = self.body.to_bytes()?;
        self.store
            .0
            .lock()
            .unwrap()
            .objects
            .insert(self.name.clone(), bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn abort(&mut self) {
        self.store.delete(&self.name);
    }
}

struct Delete {
    store: Objects,
    name: String,
}

impl Participant for Delete {
    fn vote(&mut self) -> Result<(), BoxError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), BoxError> {
        self.store.delete(&self.name);
        Ok(())
    }

    fn abort(&mut self) {}
}

struct Trial<S> {
    store: S,
    database: CountingDatabase,
    pool: Pool<CountingDatabase>,
}

impl<S: BlobStore + Clone> Trial<S> {
    fn new(store: S) -> Self {
        let database = CountingDatabase::new();
        Self {
            store,
            pool: Pool::new(database.clone(), 1),
            database,
        }
    }

    async fn transaction(
        &self,
        f: impl FnOnce(&S, &mut Tx<'_>) -> Result<String, Abort> + Send + 'static,
    ) -> Result<String, Error> {
        let store = self.store.clone();
        let done = self.pool.claim().transaction_once(move |transaction| {
            transaction.connection()?;
            f(&store, transaction)
        });
        done.await
    }

    fn text(&self, name: &str) -> io::Result<String> {
        let blob = self.store.blob(name)?;
        let mut text = String::new();
        SpooledBody::file(blob.file().try_clone()?)?
            .read_to_string(&mut text)
            .map(|_| text)
    }

    fn is_there(&self, name: &str) -> bool {
        match self.store.blob(name) {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::NotFound);
                false
            }
        }
    }
}

async fn obeys(store: impl BlobStore + Clone) {
    let trial = Trial::new(store);
    let names = Arc::new(Mutex::new(Vec::new()));
    // Keeps a blob, reports its name even if the transaction fails, and removes another blob.
    let work = |remove: Option<String>| {
        let names = Arc::clone(&names);
        trial.transaction(move |store, transaction| {
            let name = store.keep(SpooledBody::from("bytes"), transaction)?;
            names.lock().unwrap().push(name.clone());
            if let Some(old) = remove {
                store.remove(&old, transaction);
                assert!(store.blob(&old).is_ok(), "until it has committed");
            }
            Ok(name)
        })
    };
    let last = || names.lock().unwrap().last().unwrap().clone();

    let first = work(None).await.unwrap();
    assert_eq!(trial.text(&first).unwrap(), "bytes");

    for fault in [Fault::Conflict, Fault::Other] {
        trial
            .database
            .script(Step::Commit, [Behaviour::Fail(fault)]);
        work(Some(first.clone())).await.unwrap_err();
        assert_eq!(
            (trial.is_there(&first), trial.is_there(&last())),
            (true, false),
            "{fault:?}"
        );
    }

    trial
        .database
        .script(Step::Commit, [Behaviour::Fail(Fault::InDoubt)]);
    assert_eq!(
        work(Some(first.clone())).await.unwrap_err().code(),
        IN_DOUBT
    );
    assert!(
        trial.is_there(&first) && trial.is_there(&last()),
        "either may be in a row"
    );

    let open = trial.store.blob(&first).unwrap();
    let second = work(Some(first.clone())).await.unwrap();
    assert_eq!(
        (trial.is_there(&first), trial.text(&second).unwrap()),
        (false, "bytes".to_owned())
    );
    let mut text = String::new();
    SpooledBody::file(open.file().try_clone().unwrap())
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "bytes", "who has it open reads it to its end");

    let again = trial.transaction(move |store, transaction| {
        store.remove(&first, transaction);
        Ok(first)
    });
    again.await.unwrap();

    let mut given = names.lock().unwrap().clone();
    let count = given.len();
    given.sort();
    given.dedup();
    assert_eq!(given.len(), count, "no name twice");
    assert_eq!(trial.pool.ledger().transactions.finish_failures.get(), 0);
    assert_quiet(trial.pool.ledger()).await;
}

#[tokio::test]
async fn a_folder_obeys_the_rules_of_stores() {
    let root = tempfile::tempdir().unwrap();
    obeys(FolderStore::open(root.path()).unwrap()).await;
}

#[tokio::test]
async fn a_store_of_objects_obeys_the_rules_of_stores() {
    obeys(Objects::default()).await;
}
