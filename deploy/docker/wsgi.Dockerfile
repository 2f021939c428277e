# syntax=docker/dockerfile:1
# From the top of the repository, with the folder of your application, which has a requirements.txt:
# docker build -f deploy/docker/wsgi.Dockerfile --build-context app=/path/to/application -t application .

FROM rust:1-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    python3 -m venv /venv && /venv/bin/pip wheel --no-deps --wheel-dir /wheels crates/euryale-python

FROM python:3.12-slim-bookworm
COPY --from=build /wheels /wheels
COPY --from=app . /app
RUN pip install --no-cache-dir /wheels/*.whl -r /app/requirements.txt && useradd --system --create-home application
USER application
WORKDIR /app
ENV EURYALE_LISTEN=0.0.0.0:8080 EURYALE_ADMIN=0.0.0.0:8081 PYTHONDONTWRITEBYTECODE=1
EXPOSE 8080 8081
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8081/readyz')"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["euryale"]
CMD ["app:app"]
