//! A member: sends this process's messages to the hub, and delivers those of others. If there is no
//! hub, it becomes the hub.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use euryale_core::bus::Fanout;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;
use tokio::task::{AbortHandle, JoinSet};

use crate::book::BusBook;
use crate::frame::Frame;
use crate::hub::Office;

/// The pause between two attempts to find a hub.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// A process on the bus.
pub(crate) struct Member {
    pub(crate) path: PathBuf,
    pub(crate) fanout: Fanout,
    pub(crate) messages: Receiver<(String, Bytes)>,
    /// Notified when a message did not fit into the queue.
    pub(crate) lost: Arc<Notify>,
    pub(crate) book: Arc<BusBook>,
}

/// The end of a connection to the hub.
enum End {
    /// The program has dropped the bus.
    Left,
    Lost,
}

impl Member {
    /// Runs until the program has dropped the bus.
    pub(crate) async fn run(mut self) {
        // The hub, while this process is it. It ends with this value.
        let mut hub = JoinSet::new();
        // Whether messages may have been lost that this process has sent.
        let mut owes_gap = false;
        let mut has_warned = false;
        loop {
            if self.messages.is_closed() && self.messages.is_empty() {
                return;
            }
            if let Ok(socket) = UnixStream::connect(&self.path).await {
                has_warned = false;
                match self.converse(socket, owes_gap).await {
                    End::Left => return,
                    End::Lost => owes_gap = true,
                }
                self.book.lost.add(1);
                self.fanout.gap();
                // A hub that refuses this process does so at once.
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            match Office::take(&self.path) {
                Ok(Some(office)) => {
                    self.book.taken_over.add(1);
                    hub.spawn(office.serve());
                }
                // Another process has the office, and will listen in a moment.
                Ok(None) => tokio::time::sleep(PAUSE).await,
                Err(error) => {
                    if !has_warned {
                        let path = self.path.display();
                        tracing::warn!(%path, %error, "this process cannot join the bus");
                    }
                    has_warned = true;
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Exchanges messages with the hub.
    async fn converse(&mut self, socket: UnixStream, owes_gap: bool) -> End {
        let (from, mut to) = socket.into_split();
        let fanout = self.fanout.clone();
        let book = Arc::clone(&self.book);
        let mut receiving = tokio::spawn(async move {
            let mut from = BufReader::new(from);
            while let Ok(frame) = Frame::read(&mut from).await {
                match frame {
                    Frame::Message(channel, message) => {
                        book.received.add(1);
                        fanout.deliver(&channel, message);
                    }
                    Frame::Gap => {
                        book.gaps.add(1);
                        fanout.gap();
                    }
                    Frame::Bye => break,
                }
            }
        });
        let _receiving = AbortOnDrop(receiving.abort_handle());
        if owes_gap && write(&mut to, &Frame::Gap).await.is_err() {
            return End::Lost;
        }
        loop {
            tokio::select! {
                // What was published is sent before the end of the hub is noticed.
                biased;
                message = self.messages.recv() => {
                    let Some((channel, message)) = message else {
                        // The hub passes on what it has read before it reads this.
                        let _ = write(&mut to, &Frame::Bye).await;
                        let _ = receiving.await;
                        return End::Left;
                    };
                    if write(&mut to, &Frame::Message(channel, message)).await.is_err() {
                        return End::Lost;
                    }
                }
                () = self.lost.notified() => {
                    if write(&mut to, &Frame::Gap).await.is_err() {
                        return End::Lost;
                    }
                }
                _ = &mut receiving => return End::Lost,
            }
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn write(to: &mut OwnedWriteHalf, frame: &Frame) -> io::Result<()> {
    to.write_all(&frame.to_bytes()).await
}
