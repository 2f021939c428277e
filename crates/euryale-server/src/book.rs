//! The counters of the server.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Histogram};

/// Counters of a [`Server`](crate::Server).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ServerBook {
    /// Peers of the server.
    pub sockets: Sockets,
    /// Requests that the server refused before calling the service, because their heads were
    /// malformed or too large. Those that h2 refuses are not included.
    pub requests_refused: Counter,
    /// From a request's head parsed to its response's head written, in seconds.
    pub response_head_seconds: Histogram,
}

/// Peers of the server.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Sockets {
    /// Open now.
    pub open: Gauge,
    /// Open and without a request for a moment, so that they hold no buffers.
    pub resting: Gauge,
    /// Closed at the regular end of the conversation.
    pub finished: Counter,
    /// Closed because it was idle for too long.
    pub idle: Counter,
    /// Closed because the peer broke off, or a service panicked.
    pub failed: Counter,
    /// Closed because the peer spoke no HTTP, or framed it so that others might read it otherwise.
    pub malformed: Counter,
    /// Closed because the head of a request was too large or had too many fields.
    pub head_too_large: Counter,
    /// Closed because the peer sent nothing at all.
    pub silent: Counter,
    /// Closed because the head of a request did not arrive in time.
    pub head_elapsed: Counter,
    /// Closed because the body of a request stopped arriving, or arrived too slowly.
    pub body_elapsed: Counter,
    /// Closed because the peer did not read.
    pub stalled: Counter,
    /// Closed because an HTTP/2 peer reset too many requests, or sent too many frames without
    /// content.
    pub flood: Counter,
    /// Closed because a TLS handshake failed or did not end in time.
    pub handshake: Counter,
    /// Closed because a balancer sent no PROXY header, or a wrong one.
    pub proxy: Counter,
    /// Closed at once because its peer has too many sockets.
    pub refused: Counter,
    /// Cut by the deadline of the drain.
    pub cut: Counter,
}

impl Book for ServerBook {
    fn figures(&self, figures: &mut Figures) {
        self.sockets.figures(figures);
        figures.counter(
            "euryale_requests_refused_total",
            "Requests that the server refused by itself.",
            &self.requests_refused,
        );
        figures.histogram(
            "euryale_response_head_seconds",
            "From a request's head parsed to its response's written.",
            &self.response_head_seconds,
        );
    }
}

impl Sockets {
    fn figures(&self, figures: &mut Figures) {
        figures.gauge("euryale_sockets_open", "Open sockets.", &self.open);
        figures.gauge(
            "euryale_sockets_resting",
            "Open sockets without a request and without buffers.",
            &self.resting,
        );
        let closed = [
            ("finished", &self.finished),
            ("idle", &self.idle),
            ("failed", &self.failed),
            ("malformed", &self.malformed),
            ("head_too_large", &self.head_too_large),
            ("silent", &self.silent),
            ("head_elapsed", &self.head_elapsed),
            ("body_elapsed", &self.body_elapsed),
            ("stalled", &self.stalled),
            ("flood", &self.flood),
            ("handshake", &self.handshake),
            ("proxy", &self.proxy),
            ("refused", &self.refused),
            ("cut", &self.cut),
        ];
        figures.counters(
            "euryale_sockets_closed_total",
            "Sockets closed.",
            "reason",
            closed,
        );
    }
}
