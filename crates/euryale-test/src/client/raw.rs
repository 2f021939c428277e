//! An asynchronous HTTP/1.1 client.

use std::io;
use std::net::SocketAddr;

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answer::{Answer, Framing, Head, invalid};

/// An HTTP/1.1 connection, byte by byte.
#[derive(Debug)]
pub struct RawClient<S = TcpStream> {
    stream: S,
    received: Vec<u8>,
}

impl RawClient {
    /// Connects.
    ///
    /// # Errors
    /// The system's.
    pub async fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self::over(stream))
    }

    /// The address of this end of the connection.
    ///
    /// # Errors
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }
}

impl<S> RawClient<S> {
    /// A client on this stream.
    pub fn over(stream: S) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Returns the stream. Bytes that arrived together with a head are not in it any more.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The stream, if nothing has been read from it.
    pub fn into_stream(self) -> S {
        self.stream
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RawClient<S> {
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
}

impl<S: AsyncRead + Unpin> RawClient<S> {
    /// Reads one response after any `100 Continue`; `head_only` for the answer to a HEAD request.
    ///
    /// # Errors
    /// The system's, or a malformed response: an end in the middle, a head that cannot be read.
    pub async fn read_answer(&mut self, head_only: bool) -> io::Result<Answer> {
        let mut head = self.read_head().await?;
        while head.status == StatusCode::CONTINUE {
            head = self.read_head().await?;
        }
        let body = if head_only {
            Vec::new()
        } else {
            match head.framing()? {
                Framing::Length(length) => self.read_exactly(length).await?,
                Framing::Chunked => self.read_chunked().await?,
                Framing::Closed => self.read_to_end().await?,
            }
        };
        Ok(Answer::new(head, body))
    }

    /// Reads the head of a response, and none of its body.
    ///
    /// # Errors
    /// As [`read_answer`](Self::read_answer).
    pub async fn read_head(&mut self) -> io::Result<Head> {
        Head::parse(self.read_until(b"\r\n\r\n").await?)
    }

    /// Reads a body in chunks, without the sizes.
    ///
    /// # Errors
    /// As [`read_answer`](Self::read_answer).
    pub async fn read_chunked(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_until(b"\r\n").await?;
            let line = String::from_utf8_lossy(&line[..line.len() - 2]);
            let size =
                usize::from_str_radix(&line, 16).map_err(|_| invalid("a malformed chunk size"))?;
            let chunk = self.read_exactly(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }

    /// Reads this many bytes.
    ///
    /// # Errors
    /// The system's, or the end before.
    pub async fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        self.received
            .reserve(length.saturating_sub(self.received.len()));
        while self.received.len() < length {
            self.fill().await?;
        }
        Ok(self.received.drain(..length).collect())
    }

    /// Reads up to the next occurrence of `end`, which is included.
    ///
    /// # Errors
    /// The system's, or the end before.
    pub async fn read_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let found = self.received[searched..]
                .windows(end.len())
                .position(|window| window == end);
            if let Some(at) = found {
                return Ok(self.received.drain(..searched + at + end.len()).collect());
            }
            searched = self.received.len().saturating_sub(end.len() - 1);
            self.fill().await?;
        }
    }

    /// Reads until the peer closes, and returns the bytes.
    ///
    /// # Errors
    /// The system's.
    pub async fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.received);
        self.stream.read_to_end(&mut rest).await?;
        Ok(rest)
    }

    /// Reads until the peer closes, in any way: a reset is an end, too.
    pub async fn read_rest(&mut self) -> Vec<u8> {
        let mut rest = std::mem::take(&mut self.received);
        let _ = self.stream.read_to_end(&mut rest).await;
        rest
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.received).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}
