//! Large bodies: until they are complete they cost only their bytes, they are read again in each
//! attempt, and they leave nothing behind.

use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

use euryale::body::SpooledBody;
use euryale::connection::PoolBook;
use euryale::publisher::ConflictBook;
use euryale::spool::{SpoolBook, SpoolLayer};
use euryale::transaction::Fault;
use euryale::{Body, Pool, Request, Response, Transaction};
use euryale_test::{CountingDatabase, RawClient, ScriptedPublisher, TestError, eventually};
use euryale_tests::Site;
use tempfile::TempDir;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The part of a body that stays in memory at these sites.
const MEMORY: usize = 64 * KIB;
/// The limit of these sites: a larger body is refused.
const LIMIT: usize = 16 * MIB;

/// A site that spools into a folder of its own.
async fn spooling(
    connections: usize,
    publisher: impl euryale::Publisher<CountingDatabase>,
) -> (Site, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let spool = SpoolLayer::new()
        .directory(folder.path())
        .memory(MEMORY)
        .limit(LIMIT as u64);
    let pool = Pool::new(CountingDatabase::new(), connections);
    (
        Site::with(pool, |stack| stack.spool(spool), publisher).await,
        folder,
    )
}

/// Bytes in which no two pages are the same.
fn content(length: usize) -> Vec<u8> {
    (0..length as u64)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}

fn hash_of(mut body: SpooledBody) -> (u64, usize) {
    let mut hasher = DefaultHasher::new();
    let mut length = 0;
    let mut buffer = vec![0; 64 * KIB];
    loop {
        let read = body.read(&mut buffer).unwrap();
        if read == 0 {
            return (hasher.finish(), length);
        }
        // Byte by byte, so that the hash does not depend on how the file is cut into reads.
        buffer[..read]
            .iter()
            .for_each(|byte| hasher.write_u8(*byte));
        length += read;
    }
}

/// How many files of `folder` this process has open, with names or without.
fn open_in(folder: &Path) -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
    targets.filter(|target| target.starts_with(folder)).count()
}

/// The end of each test here: nothing has a name in the folder, nothing is open there, and the
/// ledger is quiet.
async fn end(site: Site, folder: TempDir) {
    eventually("the files are closed", || open_in(folder.path()) == 0).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    // Dropping a body closes its file first, and then updates the count.
    let spool = &site.ledger().of::<SpoolBook>();
    eventually("and counted no more", || {
        (spool.files.get(), spool.bytes.get()) == (0, 0)
    })
    .await;
    site.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_attempt_reads_the_same_ten_mebibytes() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let recorded = seen.clone();
    let (site, folder) = spooling(1, {
        move |request: &Request, transaction: &mut Transaction<'_, CountingDatabase>| {
            transaction.connection()?;
            assert!(
                request.body().as_file().is_some(),
                "so much stands in a file"
            );
            let mut attempts = recorded.lock().unwrap();
            attempts.push(hash_of(request.body().clone()));
            if attempts.len() < 3 {
                return Err(TestError(Fault::Conflict).into());
            }
            Ok(Response::new(Body::from(
                transaction.attempt().number().to_string(),
            )))
        }
    })
    .await;
    let body = content(10 * MIB);
    let sent = hash_of(SpooledBody::from(body.clone()));
    let mut client = RawClient::connect(site.address).await.unwrap();
    let answer = client.post("/", &body).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "3"));
    assert_eq!(*seen.lock().unwrap(), [sent; 3]);
    let ledger = site.ledger();
    assert_eq!(
        (
            ledger.transactions.attempts.get(),
            ledger.of::<ConflictBook>().resolved.get()
        ),
        (3, 1)
    );
    assert_eq!(
        (
            ledger.of::<SpoolBook>().files.peak(),
            ledger.of::<SpoolBook>().bytes.peak()
        ),
        (1, 10 << 20),
        "one file for all three"
    );
    drop(client);
    end(site, folder).await;
}

/// Half of each body goes to a file, so that files are written at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_uploads_that_trickle_hold_no_worker() {
    const CLIENTS: usize = 50;
    const STEPS: usize = 2 * MEMORY / KIB;
    let (site, folder) = spooling(2, ScriptedPublisher::new()).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = RawClient::connect(site.address).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
            STEPS * KIB
        );
        client.send(head).await.unwrap();
        clients.push(client);
    }
    let ledger = site.ledger().clone();
    let step = content(KIB);
    for steps in 1..STEPS {
        for client in &mut clients {
            client.send(&step).await.unwrap();
        }
        let came = (CLIENTS * steps * KIB) as i64;
        eventually("they came", || ledger.of::<SpoolBook>().bytes.get() == came).await;
        assert_eq!(
            (
                ledger.of::<PoolBook>().connections.in_use.peak(),
                ledger.of::<PoolBook>().publishers.running.peak(),
                ledger.of::<PoolBook>().queue.depth.peak()
            ),
            (0, 0, 0),
            "after {steps} KiB of each"
        );
    }
    eventually("each is in a file", || open_in(folder.path()) == CLIENTS).await;
    let mut other = RawClient::connect(site.address).await.unwrap();
    assert_eq!(
        other.get("/").await.unwrap().text(),
        "1",
        "a page meanwhile"
    );
    assert_eq!(
        ledger.transactions.attempts.get(),
        1,
        "nothing but that was published"
    );
    for client in &mut clients {
        client.send(&step).await.unwrap();
    }
    for client in &mut clients {
        assert_eq!(client.read_answer(false).await.unwrap().status, 200);
    }
    assert_eq!(ledger.transactions.attempts.get(), 1 + CLIENTS as u64);
    drop((clients, other));
    end(site, folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spooled_file_is_removed_however_its_publication_ends() {
    let (site, folder) = spooling(1, ScriptedPublisher::new()).await;
    let body = content(MIB);
    let cases = [
        ("/", 200),
        ("/static", 200),
        ("/doom", 200),
        ("/not-found", 404),
        ("/error", 500),
        ("/conflict", 503),
        ("/panic", 500),
        ("/hook-before", 500),
        ("/hook-abort", 200),
    ];
    for (path, status) in cases {
        let mut client = RawClient::connect(site.address).await.unwrap();
        assert_eq!(
            client.post(path, &body).await.unwrap().status,
            status,
            "{path}"
        );
        eventually("its file is closed", || open_in(folder.path()) == 0).await;
        assert_eq!(site.ledger().of::<SpoolBook>().files.get(), 0, "{path}");
    }
    assert_eq!(
        site.ledger().of::<SpoolBook>().files.peak(),
        1,
        "each was in a file"
    );
    end(site, folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_removed_when_their_clients_hang_up() {
    let publisher = ScriptedPublisher::new();
    let gate = publisher.gate().clone();
    let (site, folder) = spooling(1, publisher).await;
    let body = content(MIB);
    let head = format!("POST /held HTTP/1.1\r\nhost: test\r\ncontent-length: {MIB}\r\n\r\n");

    let mut halfway = RawClient::connect(site.address).await.unwrap();
    halfway.send(&head).await.unwrap();
    halfway.send(&body[..MIB / 2]).await.unwrap();
    eventually("half of it came", || {
        site.ledger().of::<SpoolBook>().bytes.get() == MIB as i64 / 2
    })
    .await;
    eventually("into a file", || open_in(folder.path()) == 1).await;
    drop(halfway);
    eventually("the file is closed", || open_in(folder.path()) == 0).await;
    eventually("and counted no more", || {
        site.ledger().of::<SpoolBook>().bytes.get() == 0
    })
    .await;
    assert_eq!(
        site.ledger().transactions.attempts.get(),
        0,
        "it was never published"
    );

    let mut clients = Vec::new();
    for n in 1..=2 {
        let mut client = RawClient::connect(site.address).await.unwrap();
        client.send(&head).await.unwrap();
        client.send(&body).await.unwrap();
        eventually("it arrived", || site.arrived() == n).await;
        clients.push(client);
    }
    assert_eq!(
        (open_in(folder.path()), gate.waiting()),
        (2, 1),
        "one is published, one waits"
    );
    drop(clients);
    eventually("the one that waited is gone with its file", || {
        open_in(folder.path()) == 1
    })
    .await;
    assert_eq!(site.ledger().of::<PoolBook>().queue.gone.get(), 1);
    gate.open();
    end(site, folder).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_grows_too_large_is_refused_and_leaves_nothing() {
    let (site, folder) = spooling(1, ScriptedPublisher::new()).await;
    let mut client = RawClient::connect(site.address).await.unwrap();
    client
        .send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = [
        format!("{:x}\r\n", MIB).into_bytes(),
        content(MIB),
        b"\r\n".to_vec(),
    ]
    .concat();
    for n in 1..=LIMIT / MIB {
        client.send(&chunk).await.unwrap();
        eventually("it came", || {
            site.ledger().of::<SpoolBook>().bytes.get() == (n * MIB) as i64
        })
        .await;
    }
    assert_eq!(open_in(folder.path()), 1);
    // One byte too many.
    client.send("1\r\na").await.unwrap();
    let answer = client.read_answer(false).await.unwrap();
    assert_eq!(answer.status, 413);
    assert!(
        answer.text().contains("Payload Too Large"),
        "{}",
        answer.text()
    );
    assert_eq!(
        site.ledger().transactions.attempts.get(),
        0,
        "it was never published"
    );

    // A body that announces its size creates no file.
    let mut client = RawClient::connect(site.address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n",
        LIMIT + 1
    );
    client.send(head).await.unwrap();
    assert_eq!(client.read_answer(false).await.unwrap().status, 413);
    assert_eq!(
        site.ledger().of::<SpoolBook>().files.peak(),
        1,
        "that of the first one"
    );
    drop(client);
    end(site, folder).await;
}
