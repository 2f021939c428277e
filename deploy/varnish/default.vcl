# For /etc/varnish/. The site: --trusted-proxy=127.0.0.1 --host=www.example.org
vcl 4.1;

import directors;

backend a { .host = "127.0.0.1"; .port = "8080"; .connect_timeout = 2s; }
# A second process on the same data folder, so that either may be restarted: remove each `#two `.
#two backend b { .host = "127.0.0.1"; .port = "8090"; .connect_timeout = 2s; }

sub vcl_init {
    new euryale = directors.round_robin();
    euryale.add_backend(a);
    #two euryale.add_backend(b);
}

sub vcl_recv {
    # All methods but GET and HEAD need a password. The file has a line for each editor.
    unset req.http.X-Editor;
    include "/etc/varnish/euryale-editors.vcl";
    if (req.method != "GET" && req.method != "HEAD" && !req.http.X-Editor) {
        return (synth(401));
    }
    # The site trusts these fields. Each is set or removed.
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
    if (resp.status == 401) {
        set resp.http.WWW-Authenticate = {"Basic realm="Editors""};
    }
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
    # An answer without Cache-Control is not kept.
    if (!beresp.http.Cache-Control) {
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
    }
    # Ranges of answers that are not kept come from the site.
    set beresp.do_stream = true;
}

# A process is being restarted: each is asked once more. A request with a body has been sent, and is not sent twice.
sub vcl_backend_error {
    if (bereq.retries < 2 && (bereq.method == "GET" || bereq.method == "HEAD")) {
        return (retry);
    }
}

sub vcl_backend_fetch {
    if (bereq.retries > 0) {
        set bereq.backend = a;
    }
    #two if (bereq.retries > 1) { set bereq.backend = b; }
}
