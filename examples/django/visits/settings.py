"""Settings of Django, without those that every project has."""

from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# Yours is secret, and comes from the environment.
SECRET_KEY = "for the example only"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "visits.urls"
WSGI_APPLICATION = "visits.wsgi.application"
INSTALLED_APPS = ["django.contrib.staticfiles", "visits"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

MIDDLEWARE = [
    "django.middleware.csrf.CsrfViewMiddleware",
    # The last one. It publishes a request again if its transaction met a conflict.
    "euryale.django.ConflictMiddleware",
]
# The views of these methods have no effects outside the database.
EURYALE_RETRY_METHODS = ["GET", "POST"]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": BASE_DIR / "db.sqlite3",
        # The transaction of a request, which a conflict rolls back.
        "ATOMIC_REQUESTS": True,
        # A worker thread keeps its connection.
        "CONN_MAX_AGE": None,
    }
}

# Euryale sends these files: --static /static=collected
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "collected"
STORAGES = {
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
}
