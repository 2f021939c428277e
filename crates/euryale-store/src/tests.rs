mod descriptors;
mod keeping;
mod objects;
mod sweeping;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use euryale_connection::Pool;
use euryale_core::body::SpooledBody;
use euryale_core::{Abort, Error, Ledger, Transaction};
use euryale_test::{CountingDatabase, assert_quiet};
use tempfile::TempDir;

use super::{BlobStore, FolderStore, writer};

type Tx<'a> = Transaction<'a, CountingDatabase>;

/// A folder of blobs, and a database that the test controls.
struct Folder {
    root: TempDir,
    store: FolderStore,
    database: CountingDatabase,
    pool: Pool<CountingDatabase>,
    ledger: Ledger,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let ledger = Ledger::new();
        let store = FolderStore::open(root.path())
            .unwrap()
            .ledger(ledger.clone());
        let database = CountingDatabase::new();
        let pool = Pool::new(database.clone(), 1);
        Self {
            root,
            store,
            database,
            pool,
            ledger,
        }
    }

    /// Runs `f` in a transaction of the database.
    async fn transaction<T: Send + 'static>(
        &self,
        f: impl FnOnce(&FolderStore, &mut Tx<'_>) -> Result<T, Abort> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.store.clone();
        let done = self.pool.claim().transaction_once(move |transaction| {
            transaction.connection()?;
            f(&store, transaction)
        });
        done.await
    }

    /// Keeps texts, and returns their names.
    async fn keep<const N: usize>(&self, texts: [&'static str; N]) -> Result<[String; N], Error> {
        self.transaction(move |store, transaction| {
            let mut names = Vec::new();
            for text in texts {
                names.push(store.keep(SpooledBody::from(text), transaction)?);
            }
            Ok(names.try_into().unwrap())
        })
        .await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// All entries of the folder: blobs and locks.
    fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for writer in fs::read_dir(self.root.path()).unwrap() {
            let writer = writer.unwrap();
            let folder = writer.file_name().display().to_string();
            for blob in fs::read_dir(writer.path()).unwrap() {
                names.insert(format!("{folder}/{}", blob.unwrap().file_name().display()));
            }
            names.insert(folder);
        }
        names
    }

    /// Creates what an ended process leaves: a folder with files and a lock that is not held.
    fn leave(&self, writer: &str, files: &[&str]) {
        fs::create_dir(self.path(writer)).unwrap();
        fs::write(self.path(writer).join(writer::LOCK), "").unwrap();
        files
            .iter()
            .for_each(|file| fs::write(self.path(writer).join(file), "left").unwrap());
    }

    async fn end(self) {
        assert_eq!(self.pool.ledger().transactions.finish_failures.get(), 0);
        assert_quiet(self.pool.ledger()).await;
    }
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(str::to_owned).into()
}
