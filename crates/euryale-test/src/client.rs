//! Clients that do what ordinary ones do not: hang up, reset, pipeline, send half a request.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// An HTTP/1.1 connection, byte by byte.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A response that has arrived whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl RawClient {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
    pub async fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// The client's own address, as the server sees it.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The system's.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Sends a request without a body and reads its response.
    ///
    /// # Errors
    /// The system's, or what is wrong with the response.
    pub async fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n"))
            .await?;
        self.read_answer(false).await
    }

    /// Sends a request with a body and reads its response.
    ///
    /// # Errors
    /// The system's, or what is wrong with the response.
    pub async fn post(&mut self, path: &str, body: &[u8]) -> io::Result<Answer> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(head).await?;
        self.send(body).await?;
        self.read_answer(false).await
    }

    /// Reads one response; `head_only` for the answer to a HEAD request.
    ///
    /// # Errors
    /// The system's, or what is wrong with the response: an end in the middle, a head that cannot
    /// be read.
    pub async fn read_answer(&mut self, head_only: bool) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = self
                .received
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                break at + 4;
            }
            self.fill().await?;
        };
        let head: Vec<u8> = self.received.drain(..end).collect();
        let (status, headers) =
            parse_head(&head).ok_or_else(|| invalid("a malformed response head"))?;
        let bodiless =
            head_only || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
        let body = if bodiless {
            Vec::new()
        } else if headers
            .get(http::header::TRANSFER_ENCODING)
            .is_some_and(|coding| coding == "chunked")
        {
            self.read_chunked().await?
        } else if let Some(length) = headers.get(http::header::CONTENT_LENGTH) {
            let length = length.to_str().ok().and_then(|length| length.parse().ok());
            self.read_exactly(length.ok_or_else(|| invalid("a malformed content-length"))?)
                .await?
        } else {
            self.read_to_end().await?
        };
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// Reads until the peer closes, and gives what came.
    ///
    /// # Errors
    /// The system's.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.received);
        self.stream.read_to_end(&mut rest).await?;
        Ok(rest)
    }

    async fn read_chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(at) = self
                    .received
                    .windows(2)
                    .position(|window| window == b"\r\n")
                {
                    break self.received.drain(..at + 2).collect::<Vec<u8>>();
                }
                self.fill().await?;
            };
            let line = String::from_utf8_lossy(&line[..line.len() - 2]).into_owned();
            let size =
                usize::from_str_radix(&line, 16).map_err(|_| invalid("a malformed chunk size"))?;
            let chunk = self.read_exactly(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    async fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < length {
            self.fill().await?;
        }
        Ok(self.received.drain(..length).collect())
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn parse_head(head: &[u8]) -> Option<(StatusCode, HeaderMap)> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        headers.append(
            name.parse::<HeaderName>().ok()?,
            HeaderValue::from_str(value.trim()).ok()?,
        );
    }
    Some((status, headers))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// An HTTP/2 connection (prior knowledge) whose streams can be reset at any time.
#[derive(Debug)]
pub struct H2Client {
    requests: SendRequest<Bytes>,
    stop: watch::Sender<()>,
}

impl H2Client {
    /// Connects and shakes hands; the connection is driven by a task of its own.
    ///
    /// # Errors
    /// The system's, or the protocol's.
    pub async fn connect(to: SocketAddr) -> io::Result<Self> {
        Self::shake_hands(to, &h2::client::Builder::new()).await
    }

    /// The same, with windows that let the server send this much: on each stream, and together.
    ///
    /// # Errors
    /// The system's, or the protocol's.
    pub async fn with_windows(to: SocketAddr, stream: u32, connection: u32) -> io::Result<Self> {
        let mut builder = h2::client::Builder::new();
        Self::shake_hands(
            to,
            builder
                .initial_window_size(stream)
                .initial_connection_window_size(connection),
        )
        .await
    }

    async fn shake_hands(to: SocketAddr, builder: &h2::client::Builder) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        let (requests, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
        let (stop, mut stopped) = watch::channel(());
        tokio::spawn(async move {
            tokio::pin!(connection);
            tokio::select! {
                // Its end is seen by the requests.
                _ = &mut connection => {}
                // Held, and not polled any more, until the client is dropped.
                Ok(()) = stopped.changed() => while stopped.changed().await.is_ok() {},
            }
        });
        Ok(Self { requests, stop })
    }

    /// From now on nothing is read from the socket, or written to it. It stays open for as long as
    /// this client.
    pub fn stop_reading(&self) {
        self.stop.send_replace(());
    }

    /// Opens a stream with a GET request. Dropping the future, or [`reset`](H2Client::reset),
    /// cancels it.
    ///
    /// # Errors
    /// The protocol's.
    pub async fn open(
        &mut self,
        path: &str,
    ) -> io::Result<(ResponseFuture, h2::SendStream<Bytes>)> {
        self.open_with(path, &HeaderMap::new()).await
    }

    /// The same, with these header fields.
    ///
    /// # Errors
    /// The protocol's.
    pub async fn open_with(
        &mut self,
        path: &str,
        fields: &HeaderMap,
    ) -> io::Result<(ResponseFuture, h2::SendStream<Bytes>)> {
        self.start(Method::GET, path, fields, true).await
    }

    /// Opens a stream with a POST request whose body is sent with [`send`](H2Client::send).
    ///
    /// # Errors
    /// The protocol's.
    pub async fn post(
        &mut self,
        path: &str,
        fields: &HeaderMap,
    ) -> io::Result<(ResponseFuture, h2::SendStream<Bytes>)> {
        self.start(Method::POST, path, fields, false).await
    }

    async fn start(
        &mut self,
        method: Method,
        path: &str,
        fields: &HeaderMap,
        end: bool,
    ) -> io::Result<(ResponseFuture, h2::SendStream<Bytes>)> {
        let uri = format!("http://localhost{path}");
        let request = http::Request::builder().method(method).uri(uri);
        let mut request = request.body(()).map_err(io::Error::other)?;
        request.headers_mut().clone_from(fields);
        let mut ready = self
            .requests
            .clone()
            .ready()
            .await
            .map_err(io::Error::other)?;
        ready.send_request(request, end).map_err(io::Error::other)
    }

    /// Sends a part of a request's body, as fast as the server's windows allow.
    ///
    /// # Errors
    /// The protocol's; `BrokenPipe` if the stream has ended.
    pub async fn send(stream: &mut h2::SendStream<Bytes>, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            stream.reserve_capacity(bytes.len());
            let room = poll_fn(|context| stream.poll_capacity(context)).await;
            let room = room
                .ok_or(io::ErrorKind::BrokenPipe)?
                .map_err(io::Error::other)?;
            let part = bytes.split_to(room.min(bytes.len()));
            stream.send_data(part, false).map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Resets a stream with CANCEL.
    pub fn reset(mut stream: h2::SendStream<Bytes>) {
        stream.send_reset(h2::Reason::CANCEL);
    }
}
