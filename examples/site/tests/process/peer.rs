//! A client that sends several requests on one socket, and can stop in the middle of one.

use std::io;
use std::net::SocketAddr;

use euryale_test::BlockingClient;

use super::{PATIENCE, Running};

/// One socket to the site.
pub(crate) struct Peer(BlockingClient);

/// A response, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns whether the answer invites the client to try again, and says after how long.
    pub(crate) fn is_try_again(&self) -> bool {
        self.status == 503 && self.head.contains("\r\nretry-after: 1\r\n")
    }
}

impl Peer {
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Self> {
        Ok(Self(BlockingClient::connect(to, PATIENCE)?))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.send(bytes)
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))?;
        self.answer()
    }

    /// Sends a form, or an empty one for methods without a body.
    pub(crate) fn ask(&mut self, method: &str, path: &str, form: &str) -> io::Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\n",
            form.len()
        );
        self.send(head + form)?;
        self.answer()
    }

    /// Reads the next response.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let answer = self.0.read_answer(false)?;
        Ok(Answer {
            status: answer.status.as_u16(),
            head: answer.head.to_ascii_lowercase(),
            body: answer.body,
        })
    }
}

/// A file upload: the whole request, which may be sent in parts.
pub(crate) fn upload(name: &str, content: &[u8]) -> Vec<u8> {
    let before = format!(
        "--=\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n"
    );
    let after = "\r\n--=--\r\n";
    let length = before.len() + content.len() + after.len();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary=\"=\"\r\n\r\n"
    );
    [
        head.as_bytes(),
        before.as_bytes(),
        content,
        after.as_bytes(),
    ]
    .concat()
}

impl Running {
    pub(crate) fn peer(&self) -> Peer {
        Peer::connect(self.public[0]).unwrap()
    }

    pub(crate) fn ask(&self, method: &str, path: &str, form: &str) -> Answer {
        self.peer().ask(method, path, form).unwrap()
    }

    /// Sends a file until the site stops reading, and returns the answer.
    pub(crate) fn upload(&self, name: &str, content: &[u8]) -> Answer {
        let mut peer = self.peer();
        // The site closes the socket in the middle of the upload, but its answer arrives all the
        // same.
        let _ = peer.send(upload(name, content));
        peer.answer().unwrap()
    }

    /// The number of unnamed files in `folder` that it has open.
    pub(crate) fn nameless(&self, folder: &str) -> usize {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))
            .unwrap()
            .flatten();
        let targets =
            descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok());
        let targets = targets.map(|target| target.to_string_lossy().into_owned());
        targets
            .filter(|target| target.contains(folder) && target.ends_with(" (deleted)"))
            .count()
    }

    /// The value of a gauge or a counter without labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = super::get(self.admin, "/metrics").unwrap();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    }

    /// The values of a metric in the processes of a parent, if it has no other labels.
    pub(crate) fn metric_by_process(&self, name: &str) -> Vec<usize> {
        let metrics = super::get(self.admin, "/metrics").unwrap();
        let series = metrics.lines().filter_map(|line| {
            let labels = line.strip_prefix(name)?;
            labels.strip_prefix("{process=")?.split(' ').nth(1)
        });
        series.map(|value| value.parse().unwrap()).collect()
    }
}
