//! A client that asks again on the same socket, and stops sending half-way.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::{PATIENCE, Running};

/// One socket to the site.
pub(crate) struct Peer {
    stream: BufReader<TcpStream>,
}

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

    /// May be asked for again, and says after how long.
    pub(crate) fn is_try_again(&self) -> bool {
        self.status == 503 && self.head.contains("\r\nretry-after: 1\r\n")
    }
}

impl Peer {
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    pub(crate) fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))?;
        self.answer()
    }

    /// A form, or with another method no body.
    pub(crate) fn ask(&mut self, method: &str, path: &str, form: &str) -> io::Result<Answer> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\n\r\n",
            form.len()
        );
        self.send(head + form)?;
        self.answer()
    }

    /// Reads the next response. Its length is that of its head, or all that comes.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, head));
            }
        }
        head.make_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = Vec::new();
        match length {
            _ if status == 204 => 0,
            Some(length) => self
                .stream
                .by_ref()
                .take(length.parse().unwrap())
                .read_to_end(&mut body)?,
            None => self.stream.read_to_end(&mut body)?,
        };
        Ok(Answer { status, head, body })
    }
}

/// A file on its way up: the whole request, which may be sent in parts.
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

    /// Sends a file for as long as the site takes it, and reads what it says.
    pub(crate) fn upload(&self, name: &str, content: &[u8]) -> Answer {
        let mut peer = self.peer();
        // Refused half-way, it closes: what it said is there all the same.
        let _ = peer.send(upload(name, content));
        peer.answer().unwrap()
    }

    /// How many files of `folder` it has open that have no name.
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

    /// The value of a gauge or a counter, which has no labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = super::get(self.admin, "/metrics").unwrap();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap().parse().unwrap()
    }
}
