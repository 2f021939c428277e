"""An application that PasteDeploy makes."""


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"pasted"]


def factory(global_conf, **settings):
    return app
