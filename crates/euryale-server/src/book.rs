//! The counters of the server.

use euryale_core::ledger::{Book, Counter, Figures, Gauge, Histogram};

/// Counters of a [`Server`](crate::Server).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ServerBook {
    /// The sockets of peers.
    pub sockets: Sockets,
    /// Requests that the server refused before calling the service, because their heads were
    /// malformed or too large. Those that h2 refuses are not included.
    pub requests_refused: Counter,
    /// The time from a parsed request head to the written response head, in seconds.
    pub response_head_seconds: Histogram,
}

/// The sockets of peers.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Sockets {
    /// Sockets that are open now.
    pub open: Gauge,
    /// Open sockets that have been without a request for a moment, and therefore hold no buffers.
    pub resting: Gauge,
    /// Sockets closed at the regular end of the conversation.
    pub finished: Counter,
    /// Sockets closed because they were idle for too long.
    pub idle: Counter,
    /// Sockets closed because the peer broke off or a service panicked.
    pub failed: Counter,
    /// Sockets closed because the peer did not speak HTTP, or framed a request in a way that other
    /// servers might read differently.
    pub malformed: Counter,
    /// Sockets closed because the head of a request was too large or had too many fields.
    pub head_too_large: Counter,
    /// Sockets closed because the peer sent nothing at all.
    pub silent: Counter,
    /// Sockets closed because the head of a request did not arrive in time.
    pub head_elapsed: Counter,
    /// Sockets closed because the body of a request stopped arriving, or arrived too slowly.
    pub body_elapsed: Counter,
    /// Sockets closed because the peer did not read.
    pub stalled: Counter,
    /// Sockets closed because an HTTP/2 peer reset too many requests, or sent too many frames
    /// without content.
    pub flood: Counter,
    /// Sockets closed because a TLS handshake failed or did not end in time.
    pub handshake: Counter,
    /// Sockets closed because a balancer sent no PROXY header, or a wrong one.
    pub proxy: Counter,
    /// Sockets closed at once because their peer has too many.
    pub refused: Counter,
    /// Sockets cut by the deadline of the drain.
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
