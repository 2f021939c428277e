"""Applications of frameworks, each with a page, a form and a file."""

import os
import sqlite3
import threading
import time

PLACE = os.path.abspath(__file__)


def flask_app():
    import flask

    app = flask.Flask(__name__)

    @app.get("/")
    def hello():
        return f"hello from Flask in {threading.current_thread().name}"

    @app.post("/form")
    def form():
        return f"{flask.request.form['name']} {len(flask.request.files['file'].read())}"

    @app.get("/file")
    def file():
        return flask.send_file(PLACE, mimetype="text/x-python")

    @app.get("/named")
    def named():
        """By ``X-Sendfile``, which a server has to have."""
        app.config["USE_X_SENDFILE"] = True
        return flask.send_file(PLACE, mimetype="text/x-python")

    return app


def pyramid_app():
    from pyramid.config import Configurator
    from pyramid.response import FileResponse, Response

    def hello(request):
        return Response(f"hello from Pyramid in {threading.current_thread().name}")

    def form(request):
        return Response(f"{request.POST['name']} {len(request.POST['file'].file.read())}")

    def file(request):
        return FileResponse(PLACE, request=request, content_type="text/x-python")

    with Configurator() as config:
        for name, path, view in [("hello", "/", hello), ("form", "/form", form), ("f", "/file", file)]:
            config.add_route(name, path)
            config.add_view(view, route_name=name)
        return config.make_wsgi_app()


def django_app():
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.db import OperationalError, connection, transaction
    from django.db.backends.signals import connection_created
    from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
    from django.urls import path

    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="for a test",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.path.abspath("django.sqlite3"),
                "CONN_MAX_AGE": None,
            }
        },
    )
    django.setup()
    # Not by Django: the main thread has no connection of its.
    with sqlite3.connect("django.sqlite3") as table:
        table.execute("create table if not exists counted (value integer)")
        table.execute("insert into counted values (0)")
    table.close()
    opened = []
    conflicts = []
    connection_created.connect(
        lambda **_: opened.append(threading.current_thread().name), weak=False
    )

    def hello(request):
        return HttpResponse(f"hello from Django in {threading.current_thread().name}")

    def form(request):
        return HttpResponse(f"{request.POST['name']} {len(request.FILES['file'].read())}")

    def file(request):
        return FileResponse(open(PLACE, "rb"), content_type="text/x-python")

    def rows(request):
        """Reads from the database while it is sent, once there is a file."""

        def blocks():
            yield threading.current_thread().name
            while not os.path.exists("rows"):
                time.sleep(0.01)
            with connection.cursor() as cursor:
                cursor.execute("select value from counted")
                yield f" {cursor.fetchone()[0]}"

        return StreamingHttpResponse(blocks())

    def count(request):
        """Adds one to a number, slowly, so that two of them conflict: both read it first."""
        for _ in range(100):
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute("select value from counted")
                    (value,) = cursor.fetchone()
                    time.sleep(0.002)
                    cursor.execute("update counted set value = %s", [value + 1])
                return HttpResponse(str(value + 1))
            except OperationalError as error:
                conflicts.append(str(error))
        return HttpResponse(status=503)

    def state(request):
        with connection.cursor() as cursor:
            cursor.execute("select value from counted")
            (value,) = cursor.fetchone()
        found = {"opened": opened, "conflicts": len(conflicts), "value": value}
        return JsonResponse(found)

    global urlpatterns
    urlpatterns = [
        path("", hello),
        path("form", form),
        path("file", file),
        path("count", count),
        path("rows", rows),
        path("state", state),
    ]
    return get_wsgi_application()


def streaming_django_app():
    from euryale.django import streaming

    return streaming(django_app())


def atomic_app():
    """Django with ``ATOMIC_REQUESTS``, whose conflicts are published again if they are POSTs."""
    import django
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.db import OperationalError, connection, transaction
    from django.http import HttpResponse, JsonResponse
    from django.template.response import TemplateResponse
    from django.urls import path

    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        SECRET_KEY="for a test",
        MIDDLEWARE=["euryale.django.ConflictMiddleware"],
        EURYALE_RETRY_METHODS=["POST"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.path.abspath("atomic.sqlite3"),
                "ATOMIC_REQUESTS": True,
                "CONN_MAX_AGE": None,
            }
        },
    )
    django.setup()
    with sqlite3.connect("atomic.sqlite3") as table:
        table.execute("create table counted (value integer)")
        table.execute("insert into counted values (0)")
    table.close()

    def read():
        with connection.cursor() as cursor:
            cursor.execute("select value from counted")
            return cursor.fetchone()[0]

    def add(request):
        """Adds one to a number, slowly, so that two of them conflict: both read it first."""
        value = read()
        time.sleep(0.002)
        with connection.cursor() as cursor:
            cursor.execute("update counted set value = %s", [value + 1])
        return HttpResponse(str(value + 1))

    def state(request):
        return JsonResponse({"value": read()})

    def locked(*_):
        raise OperationalError("locked") from sqlite3.OperationalError("database is locked")

    def fails(request):
        read()
        locked()

    @transaction.non_atomic_requests
    def alone(request):
        return fails(request)

    class Unrendered(TemplateResponse):
        rendered_content = property(locked)

    def render(request):
        read()
        return Unrendered(request, "no template")

    global urlpatterns
    urlpatterns = [
        path("add", add),
        path("state", state),
        path("raise", fails),
        path("render", render),
        path("alone", alone),
    ]
    return get_wsgi_application()


def checked(make):
    """The same application with ``wsgiref.validate`` around it."""
    from wsgiref.validate import validator

    return lambda: validator(make())


checked_flask_app = checked(flask_app)
checked_django_app = checked(django_app)
checked_pyramid_app = checked(pyramid_app)
