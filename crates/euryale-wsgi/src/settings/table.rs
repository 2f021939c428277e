//! The names of all settings.

use super::meaning::Meaning;
use super::setting::{Setting, setting, unused};

pub(crate) const KEYS: &[Setting] = &[
    setting(
        "listen",
        None,
        Meaning::Listen,
        "addresses to serve on, several apart by spaces: 127.0.0.1:8080, [::1]:8080, *:8080, 8080, \
            tls:127.0.0.1:8443, unix:PATH",
    ),
    setting(
        "host",
        None,
        Meaning::Host,
        "host to serve on, in place of listen",
    ),
    setting(
        "port",
        None,
        Meaning::Port,
        "port to serve on, in place of listen",
    ),
    setting(
        "unix_socket",
        None,
        Meaning::UnixSocket,
        "Unix socket to serve on, in place of listen",
    ),
    setting(
        "unix_socket_perms",
        None,
        Meaning::UnixSocketPerms,
        "mode of Unix sockets, octal",
    ),
    setting(
        "tls_cert",
        None,
        Meaning::TlsCert,
        "PEM file of certificates for tls: addresses, and for sockets that systemd names tls, the \
            server's own first; SIGHUP reads it again",
    ),
    setting(
        "tls_key",
        None,
        Meaning::TlsKey,
        "PEM file of their private key",
    ),
    setting(
        "admin",
        None,
        Meaning::Admin,
        "address for operators: /livez, /readyz, /metrics and /status",
    ),
    setting(
        "agent",
        None,
        Meaning::Agent,
        "address for HAProxy's agent checks",
    ),
    setting(
        "console",
        None,
        Meaning::Console,
        "Unix socket for the commands of euryale ctl, for this user and root only",
    ),
    setting(
        "processes",
        None,
        Meaning::Processes,
        "processes that serve behind a parent, which replaces them one by one on SIGHUP: 1 to 256; \
            threads and all bounds count for each of them; one process without a parent if not set",
    ),
    setting(
        "threads",
        Some("connections"),
        Meaning::Threads,
        "worker threads, and so requests in the application at a time: 1 to 4096",
    ),
    setting(
        "runtime_threads",
        None,
        Meaning::RuntimeThreads,
        "threads for sockets, HTTP and TLS, in each process: 1 to 256; if not set, half of the \
            machine's cores, at least 1, because the application's threads need the others",
    ),
    setting(
        "gil_turns",
        None,
        Meaning::GilTurns,
        "on (the default): a worker takes no request while another one computes, and is let in \
            when that one waits for something; off: workers contend for the GIL",
    ),
    setting(
        "gil_timeout",
        None,
        Meaning::GilTimeout,
        "how long the interpreter may run no Python code (ms, s, m, h); beyond it /readyz answers \
            503, and systemd's watchdog is not fed",
    ),
    setting(
        "lane_threads",
        None,
        Meaning::LaneThreads,
        "threads for promises, deferred answers and calls after a commit, at most; they are \
            started on demand: 1 to 4096",
    ),
    setting(
        "stream_threads",
        None,
        Meaning::StreamThreads,
        "threads for streams, at most; they are started on demand: 1 to 4096",
    ),
    setting(
        "lane_timeout",
        None,
        Meaning::LaneTimeout,
        "how long a deferred answer, or the first block of a stream, may take with its wait for a \
            thread (ms, s, m, h); beyond it the answer is 504",
    ),
    setting(
        "call_timeout",
        None,
        Meaning::CallTimeout,
        "how long a call of the application should take (ms, s, m, h); beyond it its stack is \
            logged, and /readyz answers 503 while every worker runs such a call; nothing stops it",
    ),
    setting(
        "early_answers",
        None,
        Meaning::EarlyAnswers,
        "on: an answer leaves with the first block of its iterable, and an exception after that \
            breaks it off; off (the default): answers leave once they are complete, and an \
            exception becomes an error page",
    ),
    setting(
        "conflict_retries",
        None,
        Meaning::ConflictRetries,
        "how often a request is published again whose call raises euryale.Again, 0 to 32; 3 if not \
            set; the last attempt runs alone",
    ),
    setting(
        "max_queue",
        None,
        Meaning::MaxQueue,
        "requests that may wait for a worker; one more is answered 503 at once",
    ),
    setting(
        "max_wait",
        None,
        Meaning::MaxWait,
        "how long a request may wait for a worker (ms, s, m, h); then it is answered 503",
    ),
    setting(
        "drain",
        Some("shutdown_timeout"),
        Meaning::Drain,
        "how long requests may take to finish after SIGTERM (ms, s, m, h); then they are cut",
    ),
    setting(
        "max_request_body_size",
        Some("max_upload"),
        Meaning::MaxRequestBodySize,
        "how large a request's body may be, in bytes, or with K, M, G or T",
    ),
    setting(
        "max_response_body_size",
        None,
        Meaning::MaxResponseBodySize,
        "how large an answer may be that is not a file, in bytes, or with K, M, G or T; half of \
            response_disk if not set, but at least 1M",
    ),
    setting(
        "response_memory",
        None,
        Meaning::ResponseMemory,
        "memory of all answers together that clients have not read yet; others go to files, and \
            those above 16K have half of it",
    ),
    setting(
        "response_disk",
        None,
        Meaning::ResponseDisk,
        "disk space (in TMPDIR) of all answers together that clients have not read yet and that \
            are not files; beyond it they are answered 503, or 500 if the request may have changed \
            something",
    ),
    setting(
        "max_request_header_size",
        None,
        Meaning::MaxRequestHeaderSize,
        "how large a request's head may be, in bytes, or with K or M",
    ),
    setting(
        "max_sockets",
        Some("connection_limit"),
        Meaning::MaxSockets,
        "open sockets at a time",
    ),
    setting(
        "channel_timeout",
        Some("idle_timeout"),
        Meaning::ChannelTimeout,
        "how long an idle socket is kept (seconds, or with ms, s, m, h)",
    ),
    setting(
        "proxy_protocol",
        None,
        Meaning::ProxyProtocol,
        "balancers that must begin with a header of the PROXY protocol, which names their client: \
            addresses, networks, or unix",
    ),
    setting(
        "trusted_proxy",
        None,
        Meaning::TrustedProxy,
        "proxies that are trusted in forwarded fields: addresses, networks, unix, or *",
    ),
    setting(
        "trusted_proxy_count",
        None,
        Meaning::TrustedProxyCount,
        "trusted proxies that a request passes, at most: 1 to 32; no limit if not set, or 1 if \
            trusted_proxy is *",
    ),
    setting(
        "trusted_proxy_headers",
        Some("forwarded_field"),
        Meaning::TrustedProxyHeaders,
        "fields that each trusted proxy sets or takes away: x-forwarded-for …, or forwarded; \
            default: x-forwarded-for and x-forwarded-proto",
    ),
    setting(
        "url_prefix",
        None,
        Meaning::UrlPrefix,
        "path below which the application is mounted",
    ),
    setting(
        "static",
        None,
        Meaning::Static,
        "folders whose files are sent without the application, several apart by spaces: \
            /static=DIR, or single files: /robots.txt=FILE; name.br, name.zst and name.gz beside a \
            file are sent in its place to clients that accept them",
    ),
    setting(
        "sendfile",
        None,
        Meaning::Sendfile,
        "folders whose files the application may name in X-Accel-Redirect or X-Sendfile, and which \
            are then sent in place of its answer, several apart by spaces: /protected=DIR",
    ),
    setting(
        "offload",
        None,
        Meaning::Offload,
        "folders whose files a trusted proxy sends if it sets X-Sendfile-Type, several apart by \
            spaces: /protected=DIR with its internal path, or /=DIR for X-Sendfile",
    ),
    setting(
        "themes",
        None,
        Meaning::Themes,
        "on: Plone's pages are themed when their worker is free, and not by plone.app.theming in \
            the worker; off (the default)",
    ),
    setting(
        "theme",
        None,
        Meaning::Theme,
        "folder of a Diazo theme for all HTML pages, with rules.xml, and the path of its other \
            files, which are sent from there: /theme=DIR",
    ),
    setting(
        "tiles",
        None,
        Meaning::Tiles,
        "paths below which pages may have tiles, several apart by spaces: /tiles /@@layout; a page \
            with tiles calls environ['euryale.page'].compose()",
    ),
    setting(
        "compress",
        None,
        Meaning::Compress,
        "on: texts are compressed by zstd or gzip for clients that accept it; off (the default)",
    ),
    setting(
        "remote_user_header",
        None,
        Meaning::RemoteUserHeader,
        "field that becomes REMOTE_USER if a trusted proxy sets it, such as x-remote-user; it is \
            removed from all other requests",
    ),
    setting(
        "debug",
        None,
        Meaning::Debug,
        "on: error pages have the traceback, only on 127.0.0.1 or ::1",
    ),
    setting(
        "reload",
        None,
        Meaning::Reload,
        "on: the application is started again when its code or its configuration changes; the new \
            code serves once it is imported, and until then the old; off (the default)",
    ),
    setting(
        "reload_extra_file",
        None,
        Meaning::ReloadExtraFile,
        "more files whose change starts the application again, several apart by spaces",
    ),
    setting(
        "profile",
        None,
        Meaning::Profile,
        "folder for a profile of each call, for pstats: the last 200 are kept, and one call runs \
            at a time",
    ),
    setting(
        "url_scheme",
        None,
        Meaning::UrlScheme,
        "wsgi.url_scheme: http or https",
    ),
    setting("server_name", None, Meaning::ServerName, "SERVER_NAME"),
    setting(
        "ident",
        None,
        Meaning::Ident,
        "field Server of answers that have none",
    ),
    setting(
        "clear_untrusted_proxy_headers",
        None,
        Meaning::Always(true),
        "always on: forwarded fields never reach the application",
    ),
    setting(
        "expose_tracebacks",
        None,
        Meaning::Always(false),
        "always off: tracebacks go to the log",
    ),
    unused("asyncore_loop_timeout"),
    unused("asyncore_use_poll"),
    unused("backlog"),
    unused("channel_request_lookahead"),
    unused("cleanup_interval"),
    unused("inbuf_overflow"),
    unused("ipv4"),
    unused("ipv6"),
    unused("log_socket_errors"),
    unused("log_untrusted_proxy_headers"),
    unused("outbuf_high_watermark"),
    unused("outbuf_overflow"),
    unused("recv_bytes"),
    unused("send_bytes"),
];
