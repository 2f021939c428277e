//! Starts a server that is bound.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use euryale::forwarded::ForwardedLayer;
use euryale::{Pool, StackLayers};
use euryale_server::Listener;
use euryale_wsgi::{AnswerBudget, Limits};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::{Server, take};
use crate::again::OwnDatabase;
use crate::answering::{Answering, Answers};
use crate::application::Application;
use crate::front::Front;
use crate::offload::FilePaths;
use crate::sendfile::Sendfile;
use crate::statics::Statics;
use crate::transforms::Transforms;
use crate::user_field::UserField;

/// The parts that the start takes.
pub(super) struct Unstarted {
    pub(super) layers: StackLayers,
    pub(super) server: euryale_server::Server,
    pub(super) listeners: Vec<Listener>,
    pub(super) forwarded: ForwardedLayer,
    pub(super) statics: Statics,
    pub(super) sendfile: Sendfile,
    pub(super) transforms: Transforms,
    pub(super) user_field: UserField,
}

impl Server {
    /// Requests the worker threads and begins to serve.
    pub(super) fn start_front(
        &self,
        py: Python<'_>,
        app: Py<PyAny>,
        owns_process: bool,
    ) -> PyResult<()> {
        let again = || PyRuntimeError::new_err("the server was started before");
        self.is_started.store(true, Ordering::Release);
        let Unstarted {
            layers,
            server,
            listeners,
            forwarded,
            statics,
            sendfile,
            transforms,
            user_field,
        } = take(&self.unstarted).ok_or_else(again)?;
        let at_work = self.threads.at_work();
        let limits = Limits {
            total: self.settings.longest_response_body(),
            ..Limits::default()
        };
        let budget = AnswerBudget::new()
            .memory(self.settings.response_memory)
            .file_bytes(self.settings.response_disk)
            .descriptors(&self.descriptors)
            .ledger(&self.ledger);
        let address = self.address.clone();
        let answers = Answers {
            limits,
            budget,
            ledger: self.ledger.clone(),
            sendfile,
            paths: FilePaths::new(&self.settings, &self.ledger),
            lanes: self.lanes.clone(),
            debug: self.settings.debug,
        };
        let answering = Answering::new(py, answers)?;
        let choices = transforms.choices;
        let application = Application::new(py, app, address, choices, at_work.clone(), answering)?;
        let pool = Pool::builder(OwnDatabase)
            .connections(self.settings.threads)
            .max_queue(self.settings.max_queue)
            .max_wait(self.settings.max_wait)
            .ledger(self.ledger.clone())
            .threads(self.threads.clone())
            .build();
        self.loaded.set(&pool);
        let front = Front {
            settings: self.settings.clone(),
            layers,
            server,
            listeners,
            forwarded,
            statics,
            transforms: transforms.chain,
            user_field,
            pool,
            application,
            access: self.access,
            shutdown: self.shutdown.clone(),
            readiness: self.readiness.clone(),
            main: self.main.clone(),
            pulse: self.pulse.clone(),
            at_work: at_work.clone(),
            overrun: self.overrun.clone(),
            end: Arc::clone(&self.end),
            owns_process,
        };
        let runtime = self.handle()?;
        Ok(py.detach(|| front.start(&runtime))?)
    }
}
