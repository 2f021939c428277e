//! Clients at `127.0.0.2`, which is not the address of a proxy.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use super::{LOGIN, Proxy};
use crate::{PATIENCE, eventually};

/// Asks at one address.
#[derive(Clone)]
pub(super) struct Browser {
    address: SocketAddr,
    host: String,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]);
        write!(f, "{} {:?} {start:?}", self.status, self.headers)
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl From<euryale_test::Answer> for Answer {
    fn from(answer: euryale_test::Answer) -> Self {
        let headers = answer.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        Self {
            status: answer.status.as_u16(),
            headers: headers.collect(),
            body: answer.body,
        }
    }
}

impl Browser {
    pub(super) fn new(proxy: &Proxy) -> Self {
        Self::at(proxy.address)
    }

    pub(super) fn at(address: SocketAddr) -> Self {
        let host = format!("public.test:{}", address.port());
        Self { address, host }
    }

    /// Asks for this host.
    pub(super) fn calling(self, host: &str) -> Self {
        Self {
            host: host.to_owned(),
            ..self
        }
    }

    /// The host that the client believes it talks to.
    pub(super) fn host(&self) -> String {
        self.host.clone()
    }

    pub(super) fn get(&self, path: &str, fields: &str) -> Answer {
        self.ask("GET", path, fields, b"")
    }

    /// As an editor.
    pub(super) fn post(&self, path: &str, fields: &str, body: &[u8]) -> Answer {
        self.ask("POST", path, &format!("{LOGIN}{fields}"), body)
    }

    pub(super) fn ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Answer {
        let answer = self.try_ask(method, path, fields, body);
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub(super) fn connect(&self) -> io::Result<TcpStream> {
        // The standard library cannot choose the source address of a client.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from(([127, 0, 0, 2], 0)))?;
            socket.connect(self.address).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    pub(super) fn head(&self, method: &str, path: &str, fields: &str) -> String {
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{fields}",
            self.host()
        )
    }

    fn try_ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = self.connect()?;
        let length = if body.is_empty() {
            String::new()
        } else {
            format!("content-length: {}\r\n", body.len())
        };
        stream.write_all(format!("{}{length}\r\n", self.head(method, path, fields)).as_bytes())?;
        let mut writer = stream.try_clone()?;
        let mut bytes = Vec::new();
        std::thread::scope(|scope| {
            // A server that refuses a body may close before all of it has arrived; the answer
            // counts.
            scope.spawn(move || drop(writer.write_all(body)));
            let read = stream.read_to_end(&mut bytes);
            // A reset after a complete answer does not matter to the client.
            if bytes.is_empty() {
                read.map(drop)
            } else {
                Ok(())
            }
        })?;
        let answer = euryale_test::Answer::parse(&bytes, method == "HEAD").map_err(|error| {
            let start = String::from_utf8_lossy(&bytes[..bytes.len().min(500)]);
            io::Error::new(io::ErrorKind::InvalidData, format!("{error}: {start}"))
        })?;
        Ok(Answer::from(answer))
    }
}

/// Clients that repeat the same request, each time on a new socket.
pub(super) struct Crowd {
    answered: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Crowd {
    pub(super) fn ask(proxy: &Proxy, clients: usize, path: &'static str) -> Self {
        Self::ask_at(proxy.address, clients, path)
    }

    pub(super) fn ask_at(address: SocketAddr, clients: usize, path: &'static str) -> Self {
        let answered = Arc::<AtomicUsize>::default();
        let is_over = Arc::<AtomicBool>::default();
        let clients = (0..clients).map(|_| {
            let browser = Browser::at(address);
            let answered = answered.clone();
            let is_over = is_over.clone();
            std::thread::spawn(move || {
                let mut failed = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    match browser.try_ask("GET", path, "", b"") {
                        Ok(answer) if answer.status == 200 => {}
                        answer => failed.push(format!("{answer:?}")),
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                failed
            })
        });
        Self {
            clients: clients.collect(),
            answered,
            is_over,
        }
    }

    /// Waits until the given number of further requests has been answered.
    pub(super) fn answered(&self, more: usize) {
        let before = self.count();
        eventually("clients are answered", || self.count() >= before + more);
    }

    pub(super) fn count(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// What went wrong.
    pub(super) fn end(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients
            .into_iter()
            .flat_map(|client| client.join().unwrap())
            .collect()
    }
}
