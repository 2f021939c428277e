# For /etc/varnish/. The site: --trusted-proxy=127.0.0.1
vcl 4.1;

import directors;

# Two processes on the same data folder, of which one may be restarted.
backend a { .host = "127.0.0.1"; .port = "8080"; .connect_timeout = 2s; }
backend b { .host = "127.0.0.1"; .port = "8090"; .connect_timeout = 2s; }

sub vcl_init {
    new euryale = directors.round_robin();
    euryale.add_backend(a);
    euryale.add_backend(b);
}

sub vcl_recv {
    # What the site believes is set here, all of it, or taken away.
    unset req.http.Forwarded;
    unset req.http.X-Forwarded-Port;
    unset req.http.X-Forwarded-Prefix;
    set req.http.X-Forwarded-For = client.ip;
    set req.http.X-Forwarded-Proto = "http";
    set req.http.X-Forwarded-Host = req.http.Host;
    # The same site below a path. Without this, leave the two blocks out.
    if (req.url ~ "^/app([?]|$)") {
        return (synth(308, regsub(req.url, "^/app", "/app/")));
    }
    if (req.url ~ "^/app/") {
        set req.http.X-Forwarded-Prefix = "/app";
        set req.url = regsub(req.url, "^/app", "");
    }
    set req.backend_hint = euryale.backend();
    # WebSockets.
    if (req.http.Upgrade ~ "(?i)websocket") {
        return (pipe);
    }
}

sub vcl_pipe {
    if (req.http.Upgrade) {
        set bereq.http.Upgrade = req.http.Upgrade;
        set bereq.http.Connection = req.http.Connection;
    }
}

# The reason of a redirect is its address.
sub vcl_synth {
    if (resp.status == 308) {
        set resp.http.Location = resp.reason;
        set resp.reason = "Permanent Redirect";
        return (deliver);
    }
}

# A page below a path has other links than the same page without.
sub vcl_hash {
    hash_data(req.http.X-Forwarded-Prefix);
    hash_data(req.http.X-Forwarded-Proto);
}

sub vcl_backend_response {
    # Only what the site says may be kept is kept.
    if (!beresp.http.Cache-Control) {
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
    }
    # Ranges of what is not kept come from the site.
    set beresp.do_stream = true;
}

# A process that is being restarted: each is asked once more. What has a body was sent, and is not sent twice.
sub vcl_backend_error {
    if (bereq.retries < 2 && (bereq.method == "GET" || bereq.method == "HEAD")) {
        return (retry);
    }
}

sub vcl_backend_fetch {
    if (bereq.retries == 1) {
        set bereq.backend = a;
    } elsif (bereq.retries > 1) {
        set bereq.backend = b;
    }
}
