//! Keeps a body in memory, or in a file if it grows too large or no memory is left.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::Error;
use euryale_core::body::SpooledBody;
use euryale_core::ledger::GaugeGuard;

use crate::budget::{Buffer, MemoryCharge, Share};
use crate::settings::Settings;
use crate::write::FileWriter;
use crate::{SPOOL_FULL, SPOOL_UNAVAILABLE};

/// A body that is arriving. It is counted until it is complete.
pub(crate) struct Keeper {
    kept: Kept,
    length: u64,
    memory: usize,
    announced: usize,
    counted: GaugeGuard,
    settings: Arc<Settings>,
}

/// Memory ⇒ File if the body exceeds its limit in memory, or no memory is left. After an error of
/// the file, the state is an empty Memory.
///
/// Pieces are copied, because a piece is part of the buffer that the socket was read into, and
/// would keep all of it alive: up to 64 KiB for a body of one byte.
enum Kept {
    Memory(Buffer),
    // Boxed, so that a body in memory, the usual case, is moved with fewer instructions.
    File(Box<FileWriter>),
}

impl Keeper {
    /// Creates a keeper for a body of at most `announced` bytes, of which at most `memory` stay in
    /// memory.
    pub(crate) fn new(settings: Arc<Settings>, memory: usize, announced: usize) -> Self {
        let counted = GaugeGuard::new(&settings.book.bytes, 0);
        Self {
            kept: Kept::Memory(Buffer::new(MemoryCharge::none(&settings))),
            length: 0,
            memory,
            announced,
            counted,
            settings,
        }
    }

    pub(crate) async fn take(&mut self, data: Bytes) -> Result<(), Error> {
        self.length += data.len() as u64;
        self.counted
            .grow(i64::try_from(data.len()).unwrap_or(i64::MAX));
        let most = self.memory.min(self.announced);
        let fitting = usize::try_from(self.length).ok();
        let fitting = fitting.filter(|length| *length <= self.memory);
        match &mut self.kept {
            Kept::File(file) => file.write(data).await.map_err(no_room),
            Kept::Memory(buffer) => {
                let is_kept = fitting
                    .is_some_and(|length| buffer.extend(&data, most, Share::of_body(length)));
                if is_kept {
                    return Ok(());
                }
                let nothing = Buffer::new(MemoryCharge::none(&self.settings));
                let begun = std::mem::replace(buffer, nothing);
                self.move_to_file(begun, data).await
            }
        }
    }

    async fn move_to_file(&mut self, begun: Buffer, data: Bytes) -> Result<(), Error> {
        let file = FileWriter::create(Arc::clone(&self.settings), begun, data).await;
        self.kept = Kept::File(Box::new(file.map_err(no_room)?));
        if self.length <= self.memory as u64 {
            self.settings.book.spilled.add(1);
        }
        Ok(())
    }

    /// Completes the body.
    pub(crate) async fn finish(self) -> Result<SpooledBody, Error> {
        let counted = self.counted;
        Ok(match self.kept {
            Kept::Memory(buffer) if buffer.as_slice().is_empty() => SpooledBody::empty(),
            Kept::Memory(buffer) => {
                let (bytes, charge) = buffer.into_parts();
                SpooledBody::from(bytes).held_with((charge, counted))
            }
            Kept::File(file) => {
                let (blob, mut charge) = file.finish().await.map_err(no_room)?;
                let blob = match charge.take_descriptor() {
                    Some(descriptor) => blob.counted(descriptor),
                    None => blob,
                };
                SpooledBody::from(blob).held_with((charge, counted))
            }
        })
    }
}

/// Returns the error for a file that cannot be created or written. If the budget refused it, the
/// budget's error is inside.
pub(crate) fn no_room(error: io::Error) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(own) => return own,
        Err(error) => error,
    };
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            SPOOL_FULL
        }
        _ => SPOOL_UNAVAILABLE,
    };
    Error::with_source(code, error)
}
