# One image for the web server, the worker, the scheduler and every command.

FROM python:3.13-slim AS build
COPY requirements/prod.txt /requirements.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --require-hashes --requirement /requirements.txt

FROM python:3.13-slim
# For `manage.py backup`: of the server's version or newer, and one of the programs that can encrypt. Debian's mirrors
# delete a version when they have the next, so none is pinned.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends age postgresql-client && rm -rf /var/lib/apt/lists/*
# A fixed number, so that volumes and `runAsNonRoot` can name it.
RUN groupadd --gid 10001 app && useradd --uid 10001 --gid 10001 --no-create-home app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /app
COPY --from=build /venv /venv
COPY . .
# The files get their production names here. The key is made for this line alone and signs nothing.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(64))')" ALLOWED_HOSTS=localhost \
    python manage.py collectstatic --noinput --verbosity 0 \
 && mkdir -p media backups && chown 10001:10001 var media backups
USER 10001:10001
EXPOSE 8000
# Asks by an allowed name: the server refuses any other, its own address included.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8000/health', headers={'Host': (os.environ.get('ALLOWED_HOSTS') or 'localhost').split(',')[0].strip().lstrip('.')}), timeout=4)"]
CMD ["python", "manage.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
