//! Prepared statements, kept from transaction to transaction by their text.

use std::collections::HashMap;

use tokio_postgres::Statement;
use tokio_postgres::types::Type;

/// A prepared statement.
#[derive(Clone)]
pub(crate) enum Prepared {
    /// The statement has a name on the server.
    Named(Statement),
    /// Only the types of the statement's parameters are kept, and it is sent each time, because
    /// behind a pooler other clients would find its name in the session.
    Typed(std::sync::Arc<[Type]>),
}

#[derive(Default)]
pub(crate) struct Statements {
    known: HashMap<Box<str>, Entry>,
    room: usize,
    clock: u64,
}

struct Entry {
    prepared: Prepared,
    used: u64,
}

impl Statements {
    pub(crate) fn with_room(room: usize) -> Self {
        Self {
            known: HashMap::new(),
            room,
            clock: 0,
        }
    }

    pub(crate) fn get(&mut self, sql: &str) -> Option<Prepared> {
        self.clock += 1;
        let entry = self.known.get_mut(sql)?;
        entry.used = self.clock;
        Some(entry.prepared.clone())
    }

    /// Keeps a statement, in place of the least recently used one if there is no room.
    pub(crate) fn keep(&mut self, sql: &str, prepared: Prepared) {
        if self.room == 0 {
            return;
        }
        if self.known.len() >= self.room {
            let oldest = self.known.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(oldest) = oldest.map(|(sql, _)| sql.clone()) {
                self.known.remove(&oldest);
            }
        }
        let used = self.clock;
        self.known.insert(sql.into(), Entry { prepared, used });
    }

    /// Drops a statement that the server no longer has, or has with another plan.
    pub(crate) fn forget(&mut self, sql: &str) {
        self.known.remove(sql);
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}
