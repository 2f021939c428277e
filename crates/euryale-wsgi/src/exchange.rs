//! A call of an application, from `start_response` to `close()`.

mod state;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use euryale_core::body::Early;
use euryale_core::{Blob, Body, Response};
use http::Method;

use self::state::{Flow, NotTaken, State, no_client};
use crate::announced::Announced;
use crate::budget::AnswerBudget;
use crate::collected::Collected;
use crate::failure::{Failure, Incomplete, WrongLength};
use crate::iterable::Iterable;
use crate::sendfile;
use crate::start::{Refused, Start};
use crate::unlock::{NoLock, Unlock};

/// The limits of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The number of bytes of an answer that are kept in memory; the rest is written to an unnamed
    /// file.
    pub memory: usize,
    /// The maximum size of an answer, in bytes. A longer one is given up.
    pub total: u64,
}

impl Default for Limits {
    /// Allows 1 MiB in memory, like waitress's `outbuf_overflow`, and 4 GiB in total. That is half
    /// of an [`AnswerBudget`]'s files, so that an endless answer leaves room for others.
    fn default() -> Self {
        Self {
            memory: 1 << 20,
            total: 4 << 30,
        }
    }
}

/// A call of an application. It is shared by `start_response`, the `write` that it returns, and the
/// worker, all on the same thread. The lock is never held while the application runs.
///
/// The answer is complete before any of it is sent, unless it may [leave early](Self::with_early).
/// So the worker does not depend on the speed of a client, and an exception at any time becomes a
/// clean error page. An endless iterable is closed when its client disconnects (if the request only
/// reads), and at the latest when its answer reaches [`Limits::total`].
#[derive(Debug)]
pub struct Exchange<U = NoLock> {
    state: Mutex<State>,
    is_head: bool,
    limits: Limits,
    budget: AnswerBudget,
    unlock: U,
}

impl Exchange {
    /// Begins a call for a request of this method.
    #[must_use]
    pub fn new(method: &Method, limits: Limits, budget: &AnswerBudget) -> Self {
        Self {
            state: Mutex::default(),
            is_head: *method == Method::HEAD,
            limits,
            budget: budget.clone(),
            unlock: NoLock,
        }
    }

    /// Waits for the disk without the lock of an interpreter. Default: there is no such lock.
    #[must_use]
    pub fn with_unlock<U: Unlock + Sync>(self, unlock: U) -> Exchange<U> {
        Exchange {
            state: self.state,
            is_head: self.is_head,
            limits: self.limits,
            budget: self.budget,
            unlock,
        }
    }
}

impl<U: Unlock + Sync> Exchange<U> {
    /// Lets the answer leave with its first block that is not empty, unless that block is all of
    /// it, or the application returned a [list](Iterable::is_list). [`Limits`] then do not count:
    /// a slow client holds up the application once the window and the file of
    /// [`EarlyAnswers`](euryale_core::body::EarlyAnswers) are full. An exception after the first
    /// block breaks the body off.
    #[must_use]
    pub fn with_early(self, early: Option<Early>) -> Self {
        self.allow_early(early);
        self
    }

    /// Replaces the right to leave early, or takes it away: for an iterable that is run by another
    /// thread than the one that called the application. Has no effect on an answer that is wanted
    /// [whole](Self::keep_whole).
    pub fn allow_early(&self, early: Option<Early>) {
        let mut state = self.lock();
        state.early = early.filter(|_| !state.is_whole);
    }

    /// Takes the right to leave early away for good: the answer is wanted whole.
    pub fn keep_whole(&self) {
        let mut state = self.lock();
        state.early = None;
        state.is_whole = true;
    }

    /// Returns whether the answer has no byte yet, and was not given up. Then its iterable can be
    /// run by another thread.
    pub fn is_untouched(&self) -> bool {
        let state = self.lock();
        matches!(state.collected, Collected::Nothing) && state.incomplete.is_none()
    }

    /// `start_response(status, headers, exc_info)`. With `has_exc_info` it replaces a head that
    /// does not count as sent yet.
    ///
    /// # Errors
    /// [`Refused`], to be raised as an exception in the application; nothing has changed then. For
    /// [`Reraise`](Refused::Reraise), raise the exception in `exc_info` instead.
    pub fn start_response<'h>(
        &self,
        status: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        has_exc_info: bool,
    ) -> Result<(), Refused> {
        self.lock().start.start(status, headers, has_exc_info)
    }

    /// Implements `write(block)`: adds a block before those of the iterable. Bytes beyond
    /// `Content-Length` are dropped.
    ///
    /// # Errors
    /// [`Failure`], to be raised as an exception in the application.
    pub fn write<E>(&self, block: &[u8]) -> Result<(), Failure<E>> {
        self.take(block).map(drop)
    }

    /// Reads the application's iterable to its end, and closes it.
    ///
    /// It stops early when the announced `Content-Length` is reached. It also stops when
    /// `is_client_gone` returns true before a second or later block, because nobody would read the
    /// rest. Pass `|| false` for a request that may change something, so that it is never
    /// interrupted. A [file](Iterable::file) is not iterated but sent as a blob, unless something
    /// was written before.
    ///
    /// Returns the exception that `close()` raised, for the log. The answer is nevertheless
    /// complete, and the application has committed what it confirms.
    ///
    /// # Errors
    /// The first [`Failure`]. `close()` was called in any case.
    pub fn run<I: Iterable>(
        &self,
        mut iterable: I,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<Option<I::Error>, Failure<I::Error>> {
        let taken = self.take_all(&mut iterable, is_client_gone);
        let closed = iterable.close();
        taken.map(|()| closed.err())
    }

    /// Reads the iterable of an answer to HEAD only until `start_response` was called, and closes
    /// it: for an iterable whose blocks are too expensive to be counted. The length of the answer
    /// is then that of its head, if there is one. Like [`run`](Self::run) in everything else.
    ///
    /// # Errors
    /// The first [`Failure`]. `close()` was called in any case.
    pub fn run_for_head<I: Iterable>(
        &self,
        mut iterable: I,
    ) -> Result<Option<I::Error>, Failure<I::Error>> {
        let mut started = Ok(());
        while started.is_ok() && self.lock().start.head().is_none() {
            match iterable.next() {
                Ok(Some(block)) if block.as_ref().is_empty() => {}
                // Its head is missing, or the iterable has started with this block.
                Ok(_) => break,
                Err(error) => started = Err(Failure::Application(error)),
            }
        }
        let closed = iterable.close();
        started.map(|()| closed.err())
    }

    fn take_all<I: Iterable>(
        &self,
        iterable: &mut I,
        is_client_gone: impl Fn() -> bool,
    ) -> Result<(), Failure<I::Error>> {
        if let Some(length) = self.may_send_file()
            && let Some(blob) = iterable.file(length)
        {
            return Ok(self.take_file(blob)?);
        }
        if iterable.is_list() {
            self.lock().early = None;
        }
        let mut is_first = true;
        while let Some(block) = iterable.next().map_err(Failure::Application)? {
            // This is not checked after the last block, because the application has done all of its
            // work by then.
            if !is_first && is_client_gone() {
                self.budget.book().abandoned.add(1);
                return Err(self.give_up(Incomplete::ClientGone).into());
            }
            is_first = false;
            if self.take(block.as_ref())? == Flow::Enough {
                break;
            }
        }
        Ok(())
    }

    /// Returns the announced length, if there is a head and no byte of the body yet.
    fn may_send_file(&self) -> Option<Option<u64>> {
        let state = self.lock();
        match &state.start {
            Start::Started(head) if head.file.is_none() => Some(head.length),
            Start::Started(_) | Start::Fresh | Start::Sent(_) => None,
        }
    }

    fn take_file(&self, blob: Blob) -> Result<(), Incomplete> {
        let descriptor = self.budget.descriptor();
        let descriptor = descriptor.map_err(|none| self.give_up(none.into()))?;
        self.lock().collected = Collected::Blob(blob.counted(descriptor));
        Ok(())
    }

    fn take<E>(&self, block: &[u8]) -> Result<Flow, Failure<E>> {
        if block.is_empty() {
            return Ok(Flow::More);
        }
        let taken = self.take_without_disk(block);
        let taken = taken.and_then(|flow| match flow {
            Some(flow) => Ok(flow),
            // The lock of the state is released before the interpreter's lock is taken again:
            // another thread may hold the interpreter's and wait for the state.
            None => self.unlock.unlocked(|| self.take_to_disk(block)),
        });
        taken.map_err(|why| match why {
            NotTaken::Refused(refused) => refused.into(),
            NotTaken::Incomplete(incomplete) => self.give_up(incomplete).into(),
        })
    }

    /// Takes a block unless that may wait for the disk. In that case it returns `None` and takes
    /// nothing.
    fn take_without_disk(&self, block: &[u8]) -> Result<Option<Flow>, NotTaken> {
        let mut state = self.lock();
        if state.names_file() {
            state.start.send()?;
            return Ok(Some(Flow::Enough));
        }
        let (wanted, flow) = self.wanted(&mut state, block)?;
        if flow == Flow::More && state.collected.len() == 0 {
            state.leave();
        }
        let Limits { memory, .. } = self.limits;
        let is_taken = if let Collected::Leaving(answer, len) = &mut state.collected {
            let is_written = answer.try_write(wanted).map_err(no_client)?;
            *len += if is_written { wanted.len() as u64 } else { 0 };
            is_written
        } else if self.is_head {
            // The answer to HEAD has no body: only its length is kept.
            state.collected.count(wanted.len() as u64);
            true
        } else {
            let collected = &mut state.collected;
            collected.push_without_disk(wanted, memory, &self.budget)?
        };
        Ok(is_taken.then_some(flow))
    }

    fn take_to_disk(&self, block: &[u8]) -> Result<Flow, NotTaken> {
        let mut state = self.lock();
        let (wanted, flow) = self.wanted(&mut state, block)?;
        if let Collected::Leaving(mut answer, len) = state.take_leaving() {
            // It may wait for the client, so not under the lock.
            drop(state);
            let written = answer.write_all(wanted);
            self.lock().collected = Collected::Leaving(answer, len + wanted.len() as u64);
            return written
                .map(|()| flow)
                .map_err(|error| no_client(error).into());
        }
        let Limits { memory, .. } = self.limits;
        let collected = &mut state.collected;
        collected.push_to_disk(wanted, memory, &self.budget)?;
        Ok(flow)
    }

    /// Returns the part of a block that belongs to the answer, and whether more blocks are wanted.
    fn wanted<'b>(&self, state: &mut State, block: &'b [u8]) -> Result<(&'b [u8], Flow), NotTaken> {
        if let Some(incomplete) = &state.incomplete {
            return Err(incomplete.clone().into());
        }
        let announced = state.start.send()?;
        let had = state.collected.len();
        let room = announced.unwrap_or(u64::MAX).saturating_sub(had);
        let wanted = &block[..block.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        let len = had + wanted.len() as u64;
        state.is_cut |= wanted.len() < block.len();
        let Limits { memory, total } = self.limits;
        let is_early = state.early.is_some() || matches!(state.collected, Collected::Leaving(..));
        if !is_early && len.max(announced.unwrap_or(0)) > total {
            return Err(Incomplete::TooLong(total).into());
        }
        if let Some(length) = announced.filter(|_| had == 0 && !self.is_head && !is_early) {
            self.budget
                .expect(length, memory)
                .map_err(Incomplete::from)?;
        }
        let is_enough = announced.is_some_and(|length| len >= length);
        Ok((wanted, if is_enough { Flow::Enough } else { Flow::More }))
    }

    /// Gives up the answer, and drops the bytes that were kept.
    fn give_up(&self, why: Incomplete) -> Incomplete {
        let collected = {
            let mut state = self.lock();
            state.incomplete.get_or_insert_with(|| why.clone());
            std::mem::take(&mut state.collected)
        };
        self.discard_all(collected);
        why
    }

    /// Drops the bytes that were kept, for calls that end without [`finish`](Self::finish): closing
    /// a long file takes time.
    pub fn discard(&self) {
        let collected = std::mem::take(&mut self.lock().collected);
        self.discard_all(collected);
    }

    fn discard_all(&self, collected: Collected) {
        if collected.needs_disk() {
            self.unlock.unlocked(|| drop(collected));
        }
    }

    /// Returns why the answer was given up, if it was.
    pub fn incomplete(&self) -> Option<Incomplete> {
        self.lock().incomplete.clone()
    }

    /// Returns how the answer differs from the length that the application announced, for the log.
    pub fn wrong_length(&self) -> Option<WrongLength> {
        let state = self.lock();
        if state.names_file() {
            return None;
        }
        let announced = state.start.head()?.length?;
        let missing = announced.saturating_sub(state.collected.len());
        match missing {
            0 => state.is_cut.then_some(WrongLength::Long),
            _ if self.is_head => None,
            missing => Some(WrongLength::Short(missing)),
        }
    }

    /// Returns the answer, once the iterable has ended.
    ///
    /// If the application has [named a file](crate::NamedFile), the answer has no body, and the
    /// file as an extension. Blocks of the application are then ignored.
    ///
    /// A body that is shorter than `Content-Length` breaks off at its end, so that no client
    /// mistakes it for the whole.
    ///
    /// # Errors
    /// [`Refused::NotStarted`], or the answer was [given up](Incomplete) before, or its file cannot
    /// be read.
    pub fn finish<E>(&self) -> Result<Response, Failure<E>> {
        let State {
            start,
            collected,
            incomplete,
            early: _,
            is_whole: _,
            is_cut: _,
        } = std::mem::take(&mut *self.lock());
        if let Some(incomplete) = incomplete {
            return Err(incomplete.into());
        }
        if let Collected::Leaving(answer, _) = collected {
            return Ok(answer.finish());
        }
        let mut head = start.into_head().ok_or(Refused::NotStarted)?;
        if let Some(file) = head.file.take() {
            return Ok(sendfile::response(head, file));
        }
        let len = collected.len();
        let body = if self.is_head && !matches!(collected, Collected::Blob(_)) {
            let counted = (len > 0).then_some(len);
            Body::new(Announced::head(head.length.or(counted)))
        } else {
            let body = if collected.needs_disk() {
                self.unlock.unlocked(|| collected.into_body())
            } else {
                collected.into_body()
            };
            let body = body.map_err(Incomplete::from)?;
            match head.length {
                Some(length) if len < length => Body::new(Announced::new(body, length)),
                _ => body,
            }
        };
        Ok(head.into_response().map(|()| body))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
