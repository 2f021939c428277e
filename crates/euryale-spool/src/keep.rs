//! Keeps a body in memory, or in a file when it grows too large or finds no memory.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use euryale_core::ledger::GaugeGuard;
use euryale_core::{Blob, Error, ErrorKind, SpooledBody};

use crate::budget::{Buffer, MemoryCharge, Share};
use crate::layer::Settings;
use crate::write::FileWriter;

/// The least charge for a piece that is kept as it came: it is a part of the buffer into which the
/// socket was read, and keeps all of that alive.
const PINNED: usize = 16 << 10;

/// One body on its way in, counted while it is.
pub(crate) struct Keeper {
    kept: Kept,
    length: u64,
    memory: usize,
    announced: usize,
    counted: GaugeGuard,
    settings: Arc<Settings>,
}

/// Nothing ⇒ Piece ⇒ Memory ⇒ File; all of them ⇒ File when it grows over what may be in memory, or
/// finds no more memory. An error of a file leaves Nothing.
enum Kept {
    Nothing,
    /// The first piece as it came: most bodies are one, and are not copied.
    Piece(Bytes, MemoryCharge),
    Memory(Buffer),
    File(FileWriter),
}

impl Keeper {
    /// A keeper of a body that has at most `announced` bytes, of which at most `memory` may stay in
    /// memory.
    pub(crate) fn new(settings: Arc<Settings>, memory: usize, announced: usize) -> Self {
        let counted = GaugeGuard::new(&settings.ledger, |ledger| &ledger.spool.bytes, 0);
        Self {
            kept: Kept::Nothing,
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
        if let Kept::File(file) = &mut self.kept {
            return file.write(data).await.map_err(no_room);
        }
        match self.keep(data) {
            None => Ok(()),
            Some(data) => self.move_to_file(data).await,
        }
    }

    /// Keeps `data` in memory, or gives it back.
    fn keep(&mut self, data: Bytes) -> Option<Bytes> {
        let length = usize::try_from(self.length)
            .ok()
            .filter(|length| *length <= self.memory);
        let Some(length) = length else {
            return Some(data);
        };
        let share = Share::of_body(length);
        let most = self.memory.min(self.announced);
        let mut buffer = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing => {
                let mut charge = MemoryCharge::none(&self.settings);
                if charge.grow(data.len().max(PINNED), Share::Half) {
                    self.kept = Kept::Piece(data, charge);
                    return None;
                }
                Buffer::new(charge)
            }
            Kept::Piece(first, charge) => {
                // Charged already, with this much room.
                let mut buffer = Buffer::new(charge);
                if !buffer.extend(&first, most, share) {
                    self.kept = Kept::Piece(first, buffer.into_charge());
                    return Some(data);
                }
                buffer
            }
            Kept::Memory(buffer) => buffer,
            file @ Kept::File(_) => {
                self.kept = file;
                return Some(data);
            }
        };
        let fits = buffer.extend(&data, most, share);
        self.kept = Kept::Memory(buffer);
        (!fits).then_some(data)
    }

    async fn move_to_file(&mut self, data: Bytes) -> Result<(), Error> {
        let (begun, charge) = match std::mem::replace(&mut self.kept, Kept::Nothing) {
            Kept::Nothing | Kept::File(_) => (Bytes::new(), MemoryCharge::none(&self.settings)),
            Kept::Piece(first, charge) => (first, charge),
            Kept::Memory(buffer) => {
                let (bytes, charge) = buffer.into_parts();
                (bytes.into(), charge)
            }
        };
        let file = FileWriter::create(Arc::clone(&self.settings), begun, data, charge).await;
        self.kept = Kept::File(file.map_err(no_room)?);
        if self.length <= self.memory as u64 {
            self.settings.ledger.spool.spilled.add(1);
        }
        Ok(())
    }

    /// The body is complete.
    pub(crate) async fn finish(self) -> Result<SpooledBody, Error> {
        let counted = self.counted;
        Ok(match self.kept {
            Kept::Nothing => SpooledBody::empty(),
            Kept::Piece(bytes, charge) => SpooledBody::from(bytes).held_with((charge, counted)),
            Kept::Memory(buffer) => {
                let (bytes, charge) = buffer.into_parts();
                SpooledBody::from(bytes).held_with((charge, counted))
            }
            Kept::File(file) => {
                let (file, mut charge) = file.finish().await.map_err(no_room)?;
                let blob = Blob::new(file).map_err(no_room)?;
                let blob = match charge.take_descriptor() {
                    Some(descriptor) => blob.counted(descriptor),
                    None => blob,
                };
                SpooledBody::from(blob).held_with((charge, counted))
            }
        })
    }
}

/// The error of a file that cannot be made or written. If the budget refused it, our own error is
/// inside.
pub(crate) fn no_room(error: io::Error) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(own) => return own,
        Err(error) => error,
    };
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::SpoolFull
        }
        _ => ErrorKind::SpoolUnavailable,
    };
    Error::with_source(kind, error)
}
