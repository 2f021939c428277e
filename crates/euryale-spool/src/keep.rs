//! Keeps what comes: in memory, and when that grows too large in a file.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use euryale_core::ledger::GaugeGuard;
use euryale_core::{Error, ErrorKind, SpooledBody};

use crate::layer::Settings;
use crate::write::FileWriter;

/// One body on its way in, counted while it is.
pub(crate) struct Keeper {
    kept: Kept,
    length: u64,
    memory: usize,
    counted: GaugeGuard,
    settings: Arc<Settings>,
}

/// Memory ⇒ File when it grows over what may be in memory. An error of a file leaves Memory, with
/// nothing in it.
enum Kept {
    /// The first part as it came, and the others in one piece: many small ones cost no more than
    /// their bytes.
    Memory(Bytes, BytesMut),
    File(FileWriter),
}

impl Keeper {
    /// For a body of which `memory` bytes at most stay in memory.
    pub(crate) fn new(settings: Arc<Settings>, memory: usize) -> Self {
        let counted = GaugeGuard::new(&settings.ledger, |ledger| &ledger.spool.bytes, 0);
        let kept = Kept::Memory(Bytes::new(), BytesMut::new());
        Self {
            kept,
            length: 0,
            memory,
            counted,
            settings,
        }
    }

    pub(crate) async fn take(&mut self, data: Bytes) -> Result<(), Error> {
        self.length += data.len() as u64;
        self.counted
            .grow(i64::try_from(data.len()).unwrap_or(i64::MAX));
        match &mut self.kept {
            Kept::Memory(first, _) if first.is_empty() => *first = data,
            Kept::Memory(_, rest) => rest.extend_from_slice(&data),
            Kept::File(file) => return file.write(&data).await.map_err(no_room),
        }
        if self.length > self.memory as u64 {
            self.move_to_file().await
        } else {
            Ok(())
        }
    }

    async fn move_to_file(&mut self) -> Result<(), Error> {
        if let Kept::Memory(first, rest) = &mut self.kept {
            let begun = [std::mem::take(first), rest.split().freeze()];
            let directory = Arc::clone(&self.settings.directory);
            let lane = self.settings.lane.clone();
            self.kept = Kept::File(
                FileWriter::create(directory, lane, begun)
                    .await
                    .map_err(no_room)?,
            );
        }
        Ok(())
    }

    /// The body is complete.
    pub(crate) async fn finish(self) -> Result<SpooledBody, Error> {
        let body = match self.kept {
            Kept::Memory(first, rest) => SpooledBody::from(joined(first, &rest)),
            Kept::File(file) => {
                SpooledBody::file(file.finish().await.map_err(no_room)?).map_err(no_room)?
            }
        };
        // One count ends where the other begins, so that no byte counts twice.
        drop(self.counted);
        Ok(body.counted(&self.settings.ledger))
    }
}

/// Most bodies are one part: no copy for them.
fn joined(first: Bytes, rest: &BytesMut) -> Bytes {
    if rest.is_empty() {
        return first;
    }
    let mut all = BytesMut::with_capacity(first.len() + rest.len());
    all.extend_from_slice(&first);
    all.extend_from_slice(rest);
    all.freeze()
}

fn no_room(error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            ErrorKind::SpoolFull
        }
        _ => ErrorKind::SpoolUnavailable,
    };
    Error::with_source(kind, error)
}
