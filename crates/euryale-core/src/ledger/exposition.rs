//! The ledger as families of metrics.

mod layers;
mod text;

use self::text::Exposition;
use super::{DropReason, Ledger};

pub(super) fn write(ledger: &Ledger) -> String {
    let mut out = Exposition::new();
    let connections = &ledger.connections;
    out.gauge(
        "euryale_connections_cap",
        "Connections that may be open.",
        &connections.cap,
    );
    out.peaked(
        "euryale_connections_in_use",
        "Connections held by workers.",
        &connections.in_use,
    );
    out.gauge(
        "euryale_connections_idle",
        "Open connections that wait for work.",
        &connections.idle,
    );
    out.counter(
        "euryale_connections_opened_total",
        "Connections opened.",
        &connections.opened,
    );
    let dropped: Vec<_> = DropReason::ALL
        .iter()
        .map(|reason| (reason.label(), connections.dropped.get(*reason)))
        .collect();
    out.counts(
        "euryale_connections_dropped_total",
        "Connections dropped.",
        "reason",
        &dropped,
    );

    out.peaked(
        "euryale_publishers_running",
        "Jobs running in workers.",
        &ledger.publishers.running,
    );
    out.histogram(
        "euryale_publish_seconds",
        "Duration of jobs in their worker.",
        &ledger.publishers.seconds,
    );

    let queue = &ledger.queue;
    out.gauge(
        "euryale_queue_depth",
        "Jobs waiting for a worker.",
        &queue.depth,
    );
    out.histogram(
        "euryale_queue_wait_seconds",
        "Wait of the jobs that were started.",
        &queue.wait_seconds,
    );
    let rejected = [
        ("full", &queue.full),
        ("elapsed", &queue.elapsed),
        ("gone", &queue.gone),
    ];
    out.counters(
        "euryale_queue_rejected_total",
        "Jobs that never started.",
        "reason",
        rejected,
    );

    let transactions = &ledger.transactions;
    for (name, help, counter) in [
        (
            "euryale_transactions_begun_total",
            "Transactions begun.",
            &transactions.begun,
        ),
        (
            "euryale_transactions_committed_total",
            "Transactions committed.",
            &transactions.committed,
        ),
        (
            "euryale_transactions_aborted_total",
            "Transactions aborted.",
            &transactions.aborted,
        ),
        (
            "euryale_transactions_in_doubt_total",
            "Commits of unknown outcome.",
            &transactions.in_doubt,
        ),
        (
            "euryale_finish_failures_total",
            "Participants that failed after a commit.",
            &transactions.finish_failures,
        ),
        (
            "euryale_hook_failures_total",
            "After hooks that panicked.",
            &transactions.hook_failures,
        ),
        (
            "euryale_attempts_total",
            "Publications, repeated ones included.",
            &ledger.conflicts.attempts,
        ),
    ] {
        out.counter(name, help, counter);
    }
    let stopped = [
        ("deadline", &transactions.stopped.deadline),
        ("client_gone", &transactions.stopped.client_gone),
        ("drain", &transactions.stopped.drain),
        ("statement", &transactions.stopped.statement),
    ];
    out.counters(
        "euryale_transactions_stopped_total",
        "Transactions stopped before their commit.",
        "reason",
        stopped,
    );
    out.conflicts(&ledger.conflicts);

    out.deferred(ledger);
    out.promises(&ledger.promises);
    out.lanes(&ledger.lanes);

    out.transforms(&ledger.transforms);
    out.parts(
        "euryale_tiles_total",
        "Tiles in their places, and missing ones.",
        &ledger.tiles,
    );
    let help = "Documents that themes take content from, and missing ones.";
    out.parts(
        "euryale_theme_documents_total",
        help,
        &ledger.theme_documents,
    );

    out.gauge(
        "euryale_blobs_open",
        "Open files on their way to clients.",
        &ledger.blobs.open,
    );
    let sent = &ledger.blobs.sent;
    let paths = [
        ("sendfile", &sent.sendfile),
        ("read", &sent.read),
        ("offload", &sent.offload),
    ];
    out.counters("euryale_blobs_total", "Open files sent.", "path", paths);
    let bytes = [
        ("sendfile", &sent.sendfile_bytes),
        ("read", &sent.read_bytes),
    ];
    out.counters(
        "euryale_blob_bytes_total",
        "Bytes sent of open files.",
        "path",
        bytes,
    );
    out.counter(
        "euryale_blobs_damaged_total",
        "Blobs that were not as long as their rows say.",
        &ledger.blobs.damaged,
    );
    let descriptors = &ledger.descriptors;
    out.gauge(
        "euryale_descriptors_cap",
        "Descriptors that files of requests may have; 0 if nothing bounds them.",
        &descriptors.cap,
    );
    out.peaked(
        "euryale_descriptors_in_use",
        "Descriptors of files that requests have open.",
        &descriptors.in_use,
    );
    out.counter(
        "euryale_descriptors_refused_total",
        "Files that were not opened for want of a descriptor in the budget.",
        &descriptors.refused,
    );
    out.gauge(
        "euryale_spool_files",
        "Request bodies in files.",
        &ledger.spool.files,
    );
    out.gauge(
        "euryale_spool_bytes",
        "Bytes of request bodies held.",
        &ledger.spool.bytes,
    );
    out.peaked(
        "euryale_spool_memory_bytes",
        "Memory that request bodies and forms are charged.",
        &ledger.spool.memory,
    );
    out.gauge(
        "euryale_spool_file_bytes",
        "Bytes of request bodies in files.",
        &ledger.spool.file_bytes,
    );
    out.counter(
        "euryale_spool_spilled_total",
        "Small request bodies in files because there was no memory for them.",
        &ledger.spool.spilled,
    );
    out.counter(
        "euryale_spool_refused_total",
        "Requests refused because their bodies had no room.",
        &ledger.spool.refused,
    );

    let sockets = &ledger.sockets;
    out.gauge("euryale_sockets_open", "Open sockets.", &sockets.open);
    out.gauge(
        "euryale_sockets_resting",
        "Open sockets without a request and without buffers.",
        &sockets.resting,
    );
    let closed = [
        ("finished", &sockets.finished),
        ("idle", &sockets.idle),
        ("failed", &sockets.failed),
        ("malformed", &sockets.malformed),
        ("head_too_large", &sockets.head_too_large),
        ("silent", &sockets.silent),
        ("head_elapsed", &sockets.head_elapsed),
        ("body_elapsed", &sockets.body_elapsed),
        ("stalled", &sockets.stalled),
        ("flood", &sockets.flood),
        ("handshake", &sockets.handshake),
        ("proxy", &sockets.proxy),
        ("refused", &sockets.refused),
        ("cut", &sockets.cut),
    ];
    out.counters(
        "euryale_sockets_closed_total",
        "Sockets closed.",
        "reason",
        closed,
    );
    out.counter(
        "euryale_requests_refused_total",
        "Requests that the server refused by itself.",
        &ledger.requests_refused,
    );
    let head = &ledger.response_head_seconds;
    out.histogram(
        "euryale_response_head_seconds",
        "From a request's head parsed to its response's written.",
        head,
    );
    out.into_text()
}
