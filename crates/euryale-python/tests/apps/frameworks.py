"""Applications of frameworks, each with a page, a form and a file."""

import os
import threading

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
    from django.db import connection
    from django.http import FileResponse, HttpResponse
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
    opened = set()

    def hello(request):
        return HttpResponse(f"hello from Django in {threading.current_thread().name}")

    def form(request):
        return HttpResponse(f"{request.POST['name']} {len(request.FILES['file'].read())}")

    def file(request):
        return FileResponse(open(PLACE, "rb"), content_type="text/x-python")

    def database(request):
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        opened.add(id(connection.connection))
        return HttpResponse(str(len(opened)))

    global urlpatterns
    urlpatterns = [
        path("", hello),
        path("form", form),
        path("file", file),
        path("database", database),
    ]
    return get_wsgi_application()
