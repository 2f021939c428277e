//! What members and the hub send to each other.
//!
//! A frame is its kind (a byte), the length of the channel's name (a byte), the length of the
//! message (four bytes, big-endian), the name, and the message.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use euryale_core::bus::LARGEST;
use tokio::io::{AsyncRead, AsyncReadExt};

const MESSAGE: u8 = 0;
const GAP: u8 = 1;
const BYE: u8 = 2;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Message(String, Bytes),
    /// Messages of the sender, or from it, may have been lost.
    Gap,
    /// A member leaves, and all of its messages were sent.
    Bye,
}

impl Frame {
    pub(crate) fn to_bytes(&self) -> Bytes {
        let (kind, channel, message) = match self {
            Self::Message(channel, message) => (MESSAGE, channel.as_bytes(), &message[..]),
            Self::Gap => (GAP, &b""[..], &b""[..]),
            Self::Bye => (BYE, &b""[..], &b""[..]),
        };
        let mut bytes = BytesMut::with_capacity(6 + channel.len() + message.len());
        bytes.put_u8(kind);
        // Both were checked when the message was published.
        bytes.put_u8(u8::try_from(channel.len()).unwrap_or(u8::MAX));
        bytes.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
        bytes.put_slice(channel);
        bytes.put_slice(message);
        bytes.freeze()
    }

    /// Reads the next frame.
    ///
    /// # Errors
    /// The socket's, its end, or a frame that no member sends.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let kind = from.read_u8().await?;
        let channel = usize::from(from.read_u8().await?);
        let length = usize::try_from(from.read_u32().await?).unwrap_or(usize::MAX);
        if length > LARGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut name = vec![0; channel];
        from.read_exact(&mut name).await?;
        let mut message = vec![0; length];
        from.read_exact(&mut message).await?;
        let name = String::from_utf8(name).map_err(|_| io::ErrorKind::InvalidData)?;
        match kind {
            MESSAGE => Ok(Self::Message(name, message.into())),
            GAP => Ok(Self::Gap),
            BYE => Ok(Self::Bye),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Frame, LARGEST};

    #[tokio::test]
    async fn frames_are_read_as_they_were_written() {
        let frames = [
            Frame::Message("channel".into(), vec![7; LARGEST].into()),
            Frame::Message(String::new(), "".into()),
            Frame::Gap,
            Frame::Bye,
        ];
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::to_bytes).collect();
        let mut rest = &bytes[..];
        for frame in frames {
            assert_eq!(Frame::read(&mut rest).await.unwrap(), frame);
        }
        assert!(Frame::read(&mut rest).await.is_err());
    }

    #[tokio::test]
    async fn invalid_frames_are_errors() {
        for wrong in [
            &[3, 0, 0, 0, 0, 0][..],
            &[0, 0, 255, 255, 255, 255],
            &[0, 1, 0, 0, 0, 0, 0xff],
        ] {
            assert!(Frame::read(&mut &wrong[..]).await.is_err(), "{wrong:?}");
        }
    }
}
