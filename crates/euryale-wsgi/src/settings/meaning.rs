//! The meanings of settings.

/// The field that a setting sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Listen,
    Host,
    Port,
    UnixSocket,
    UnixSocketPerms,
    TlsCert,
    TlsKey,
    Admin,
    Agent,
    Console,
    Processes,
    Threads,
    GilTurns,
    GilTimeout,
    LaneThreads,
    StreamThreads,
    LaneTimeout,
    RuntimeThreads,
    CallTimeout,
    EarlyAnswers,
    ConflictRetries,
    MaxQueue,
    MaxWait,
    Drain,
    MaxRequestBodySize,
    MaxResponseBodySize,
    ResponseMemory,
    ResponseDisk,
    MaxRequestHeaderSize,
    MaxSockets,
    ChannelTimeout,
    ProxyProtocol,
    TrustedProxy,
    TrustedProxyCount,
    TrustedProxyHeaders,
    UrlPrefix,
    Static,
    Sendfile,
    Offload,
    Themes,
    Theme,
    Tiles,
    Compress,
    RemoteUserHeader,
    Debug,
    Reload,
    ReloadExtraFile,
    Profile,
    UrlScheme,
    ServerName,
    Ident,
    /// A switch that only accepts this value.
    Always(bool),
    /// The setting is accepted and has no effect.
    Unused,
}

impl Meaning {
    /// Returns whether the value is a list.
    pub(crate) fn is_list(self) -> bool {
        let lists = [
            Self::Listen,
            Self::ProxyProtocol,
            Self::TrustedProxy,
            Self::TrustedProxyHeaders,
            Self::Static,
            Self::Sendfile,
            Self::Offload,
            Self::Tiles,
            Self::ReloadExtraFile,
        ];
        lists.contains(&self)
    }

    /// Returns whether the value is `on` or `off`.
    pub(crate) fn is_switch(self) -> bool {
        let switches = [
            Self::GilTurns,
            Self::EarlyAnswers,
            Self::Themes,
            Self::Compress,
            Self::Debug,
            Self::Reload,
        ];
        switches.contains(&self)
    }
}
