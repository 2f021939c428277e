//! The extension module of the Python package `euryale`: WSGI applications behind the stack.
//!
//! This crate has only classes and calls. The rules of PEP 3333 are in `euryale-wsgi`, and the
//! onion is that of `euryale`. The command line, the entry points and the main thread's loop are
//! written in Python.
//!
//! # Processes
//!
//! With the setting `processes`, the process that is started is the parent of others (`parent.rs`).
//! It binds the sockets and answers operators, and never imports the application. Its children are
//! started with the same command line, and serve as a single process does.
//!
//! # Threads
//!
//! * The main thread is Python's. It waits on a socket, so that Python's own signal handlers run,
//!   and starts threads when Rust asks for them.
//! * Workers are `threading.Thread`s named `euryale-0` and so on, for the life of the server. They
//!   wait for jobs without the GIL, and attach for each call of the application.
//! * Workers take turns: while one computes, jobs wait for it and not for the GIL (`turns.rs`).
//! * Promises, deferred answers and calls after commits run in threads of a lane, and streams in
//!   those of another one. They are also Python's, and are started on demand (`lane.rs`).
//! * Rust's threads never attach. No upload, download, health check or log line waits for the GIL.
//!
//! # Answers
//!
//! A worker calls the application and reads its iterable to the end, takes its open file as a blob,
//! or leaves a stream to its lane (`stream.rs`). Bytes that the client has not read yet are charged
//! to one `AnswerBudget`, in memory or in unnamed files, so that no slow client holds a worker.
//!
//! # Unsafe code
//!
//! * `_exit`, in `exit.rs`, ends a process whose interpreter cannot end it.
//! * `Blob::stable` and `ServeFolder::stable`, in `file.rs`, promise that nobody reads the bytes of
//!   a file that the application or a deployment may change.

mod access;
mod after_commit;
mod again;
mod allocator;
mod answering;
mod answers;
mod application;
mod at_work;
mod body;
mod call;
mod certificates;
mod compress;
mod debugging;
mod deferred;
mod environ;
mod exceptions;
mod exit;
mod file;
mod front;
mod gil;
mod iterable;
mod lane;
mod listeners;
mod log;
mod main_thread;
mod module;
mod offload;
mod operators;
mod overrun;
mod page;
mod parent;
mod pass;
mod promises;
mod pulse;
mod sendfile;
mod server;
mod stacks;
mod start;
mod statics;
mod stream;
mod transforms;
mod turns;
mod user_field;
mod workers;
