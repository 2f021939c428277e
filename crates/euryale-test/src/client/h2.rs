//! An HTTP/2 client.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Method};
use tokio::net::TcpStream;
use tokio::sync::watch;

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

    /// The same, with windows that let the server send this many bytes: on each stream, and in all.
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
                // If the connection ends, the requests get the error.
                _ = &mut connection => {}
                // Held, and not polled any more, until the client is dropped.
                Ok(()) = stopped.changed() => while stopped.changed().await.is_ok() {},
            }
        });
        Ok(Self { requests, stop })
    }

    /// From now on the socket is neither read nor written. It stays open as long as this client
    /// exists.
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
