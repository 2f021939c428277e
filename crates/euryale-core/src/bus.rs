//! Messages between the processes of a program.
//!
//! A [`Bus`] carries small messages to every process that shares a database, for example the names
//! of things that were changed. It is a hint and no record: a process that misses messages is told
//! so by a [gap](Delivery::Gap), and then treats everything as changed. What must not be lost
//! belongs in a table.
//!
//! [`Fanout`] alone is the bus of a program with one process.
//!
//! ```
//! use euryale_core::bus::{Bus, Delivery, Fanout};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
//! # runtime.block_on(async {
//! let bus = Fanout::new();
//! let mut prices = bus.subscribe("prices");
//! bus.publish("prices", "apple".into())?;
//! assert_eq!(prices.next().await, Some(Delivery::Message("apple".into())));
//! # Ok::<_, euryale_core::bus::TooLarge>(())
//! # }).unwrap();
//! ```

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// The maximum size of a message, in bytes. Larger content belongs in a row whose key is sent.
pub const LARGEST: usize = 64 << 10;

/// The number of messages that a subscriber may be behind. One that is further behind has a gap.
const BEHIND: usize = 1024;

/// Carries messages between the processes of a program.
///
/// Publishing never waits, so it may be done in a worker. Do it after the commit, because the
/// others may look at once: a hook of `Transaction::after_commit` is the place.
pub trait Bus: Send + Sync + 'static {
    /// Sends `message` to all subscribers of `channel` in all processes, including this one. They
    /// get it in the order of this process's messages.
    ///
    /// # Errors
    /// The message has more than [`LARGEST`] bytes, or the name of the channel more than 255.
    fn publish(&self, channel: &str, message: Bytes) -> Result<(), TooLarge>;

    /// Subscribes to messages that are published from now on.
    fn subscribe(&self, channel: &str) -> Subscription;
}

/// What a subscriber gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// A message.
    Message(Bytes),
    /// Messages may have been missed, so everything may have changed.
    Gap,
}

/// A message is too large for a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl TooLarge {
    /// Checks a message, for implementations of [`Bus`].
    ///
    /// # Errors
    /// The message or the name of its channel is too large.
    pub fn check(channel: &str, message: &[u8]) -> Result<(), Self> {
        if message.len() <= LARGEST && channel.len() <= usize::from(u8::MAX) {
            Ok(())
        } else {
            Err(Self)
        }
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a message of a bus has at most {LARGEST} bytes")
    }
}

impl Error for TooLarge {}

/// Messages and gaps of all channels.
#[derive(Clone, Debug)]
enum Event {
    Message(Arc<str>, Bytes),
    Gap,
}

/// Distributes messages to the subscribers of this process: the part that all implementations of
/// [`Bus`] share. Clones have the same subscribers.
#[derive(Clone, Debug)]
pub struct Fanout {
    sender: Sender<Event>,
}

impl Fanout {
    /// Creates one without subscribers.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sender: Sender::new(BEHIND),
        }
    }

    /// Delivers a message to the subscribers of its channel.
    pub fn deliver(&self, channel: &str, message: Bytes) {
        // An error means that there is no subscriber.
        let _ = self.sender.send(Event::Message(channel.into(), message));
    }

    /// Tells all subscribers that messages may have been missed.
    pub fn gap(&self) {
        let _ = self.sender.send(Event::Gap);
    }
}

impl Default for Fanout {
    fn default() -> Self {
        Self::new()
    }
}

impl Bus for Fanout {
    fn publish(&self, channel: &str, message: Bytes) -> Result<(), TooLarge> {
        TooLarge::check(channel, &message)?;
        self.deliver(channel, message);
        Ok(())
    }

    fn subscribe(&self, channel: &str) -> Subscription {
        Subscription {
            channel: channel.into(),
            events: self.sender.subscribe(),
        }
    }
}

/// The messages of a channel, in order.
#[derive(Debug)]
pub struct Subscription {
    channel: Arc<str>,
    events: Receiver<Event>,
}

impl Subscription {
    /// Waits for the next message or gap. `None` means that the bus has ended. Cancel safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        loop {
            match self.events.recv().await {
                Ok(Event::Message(channel, message)) if channel == self.channel => {
                    return Some(Delivery::Message(message));
                }
                Ok(Event::Message(..)) => {}
                Ok(Event::Gap) | Err(RecvError::Lagged(_)) => return Some(Delivery::Gap),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{BEHIND, Bus, Bytes, Delivery, Fanout, LARGEST, TooLarge};

    #[tokio::test]
    async fn subscriber_gets_the_messages_of_its_channel_in_order() {
        let bus = Fanout::new();
        let mut one = bus.subscribe("one");
        bus.publish("other", Bytes::from_static(b"x")).unwrap();
        for message in ["a", "b"] {
            bus.publish("one", message.into()).unwrap();
        }
        bus.gap();
        drop(bus);
        for message in ["a", "b"] {
            assert_eq!(one.next().await, Some(Delivery::Message(message.into())));
        }
        assert_eq!(one.next().await, Some(Delivery::Gap));
        assert_eq!(one.next().await, None);
    }

    #[tokio::test]
    async fn subscriber_that_is_too_far_behind_has_a_gap() {
        let bus = Fanout::new();
        let mut slow = bus.subscribe("channel");
        for number in 0..=BEHIND {
            bus.publish("channel", number.to_string().into()).unwrap();
        }
        assert_eq!(slow.next().await, Some(Delivery::Gap));
        assert_eq!(slow.next().await, Some(Delivery::Message("1".into())));
    }

    #[test]
    fn large_message_is_refused() {
        let bus = Fanout::new();
        let large = Bytes::from(vec![0; LARGEST + 1]);
        assert_eq!(bus.publish("channel", large), Err(TooLarge));
        assert_eq!(bus.publish(&"x".repeat(256), Bytes::new()), Err(TooLarge));
    }
}
