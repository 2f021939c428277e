//! No descriptor is left.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Running, eventually};

const LIMIT: usize = 64;

/// Sockets that ask for something and then send nothing: the site has to wait for each of them.
struct Crowd {
    sockets: Vec<TcpStream>,
}

impl Crowd {
    /// Comes until the site has no descriptor left. Those that it gave up meanwhile are replaced.
    fn come(&mut self, site: &Running) {
        // It may have inherited some beyond the limit.
        let open = || {
            let descriptors = std::fs::read_dir(format!("/proc/{}/fd", site.child.id()))
                .unwrap()
                .flatten();
            let numbers =
                descriptors.filter_map(|entry| entry.file_name().to_str()?.parse::<usize>().ok());
            numbers.filter(|number| *number < LIMIT).count()
        };
        eventually("no descriptor is left", || {
            if open() < LIMIT && self.sockets.len() < 20 * LIMIT {
                let mut socket = TcpStream::connect(site.public[0]).unwrap();
                socket
                    .write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n")
                    .unwrap();
                self.sockets.push(socket);
            }
            open() == LIMIT && site.said().contains("cannot accept")
        });
    }
}

impl Running {
    /// Time on a processor so far, by the kernel's account.
    fn worked(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the name, which may hold anything: the 12th and the 13th are ticks of 10 ms.
        let ticks = stat.rsplit(')').next().unwrap().split(' ').skip(12).take(2);
        ticks
            .map(|ticks| Duration::from_millis(10) * ticks.parse::<u32>().unwrap())
            .sum()
    }

    fn refused_accepts(&self) -> usize {
        self.said().matches("cannot accept").count()
    }
}

#[test]
fn who_is_there_is_served_and_nothing_spins() {
    let folder = tempfile::tempdir().unwrap();
    let shell = format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\"");
    let site = Running::start_in(&shell, folder.path(), &[]);
    let mut peer = site.peer();
    assert_eq!(
        peer.ask("POST", "/@@counter", "").unwrap().text().trim(),
        "1"
    );
    let mut crowd = Crowd {
        sockets: Vec::new(),
    };
    crowd.come(&site);

    // Each pause is twice the one before, up to a second: so many take more than two.
    let began = Instant::now();
    let worked = site.worked();
    let refused = site.refused_accepts();
    eventually("accept fails again and again", || {
        crowd.come(&site);
        site.refused_accepts() >= refused.max(8) + 3
    });
    let took = began.elapsed();
    let worked = site.worked() - worked;
    assert!(
        took >= Duration::from_millis(300),
        "it tries without a pause: {took:?}"
    );
    assert!(
        worked < took / 2 + Duration::from_millis(100),
        "{worked:?} of work in {took:?}"
    );

    for _ in 0..20 {
        assert_eq!(
            peer.get("/history").unwrap().status,
            200,
            "who came before is served"
        );
    }
    assert_eq!(
        peer.ask("POST", "/@@counter", "").unwrap().text().trim(),
        "2"
    );
    crowd.come(&site);
    // Larger than what stays in memory.
    let _ = peer.send(super::peer::upload("large.bin", &vec![b'a'; 2 << 20]));
    let answer = peer.answer().unwrap();
    assert!(answer.is_try_again(), "{answer:?}");

    drop(crowd);
    // Connecting works all the time: who is not accepted waits in the kernel.
    assert_eq!(
        site.upload("large.bin", &vec![b'a'; 2 << 20]).status,
        201,
        "without a restart"
    );
    assert_eq!(site.ask("POST", "/@@counter", "").text().trim(), "3");
    let said = site.end_well();
    assert!(
        said.contains("cannot accept error=Too many open files"),
        "{said}"
    );
    assert!(
        said.contains("the request body cannot be kept: Too many open files"),
        "{said}"
    );
}

#[test]
fn a_database_that_cannot_be_opened_for_want_of_one_is_opened_later() {
    let folder = tempfile::tempdir().unwrap();
    let shell = format!("ulimit -n {LIMIT}; exec \"$0\" \"$@\"");
    let site = Running::start_in(&shell, folder.path(), &[]);
    let mut peer = site.peer();
    // A page that needs a worker, and no database.
    assert_eq!(peer.get("/@@slow?ms=0").unwrap().status, 200);
    assert_eq!(site.metric("euryale_connections_opened_total"), 0);
    let mut crowd = Crowd {
        sockets: Vec::new(),
    };
    crowd.come(&site);
    let answer = peer.get("/history").unwrap();
    assert!(answer.is_try_again(), "{answer:?}");
    drop(crowd);
    // Those of the crowd that the kernel still holds are accepted first, and only then found to be
    // gone.
    eventually("a page is served without a restart", || {
        site.peer()
            .get("/history")
            .is_ok_and(|page| page.status == 200)
    });
    let said = site.end_well();
    assert!(said.contains("the database is unavailable"), "{said}");
}
