# A machine with Python 3.11 or newer and make is enough: `make run`, `make test`.
# Each target installs what it needs, and only that, from the hash-locked requirements/*.txt.

PYTHON ?= python3
PORT ?= $(or $(shell sed -n 's/^PORT=//p' .env 2>/dev/null),8000)
ARGS ?=
BIN := .venv/bin

# Checks must not depend on what the shell or a .env file says about services; the tests see to that
# themselves (config/tests/environment.py). An empty REDIS_URL means none.
EMBEDDED := DATABASE_URL=sqlite:///var/check.sqlite3 REDIS_URL= CELERY_BROKER_URL=
# The whole suite has a worker for each core; at most eight, since each needs a Redis database (.ci/services.py).
# A part of it (ARGS='-k login') runs in one process.
PARALLEL := --numprocesses logical --maxprocesses 8 --dist loadfile
# What `make test` has not shown already.
REST := -m "not backups and not once"
# The shape of production, as far as it can be had without its services. The key is new each time.
PRODUCTION = $(EMBEDDED) DEBUG=false ALLOWED_HOSTS=example.com \
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_hex(32))')

.DEFAULT_GOAL := help
.PHONY: help run setup test coverage test-services test-faults test-clients test-next test-proxy test-load test-browser test-adoption test-scaffold test-previous test-contract test-backups test-faults-slow check words sbom lock release mutants fuzz bench load clean base-env prod-env \
	test-env dev-env services-env tools-env browser-env chromium-env bench-env load-env express-env wrk-env clients-env npm-env nginx-env caddy-env kubectl-env prometheus-env clamav-env \
	next-env pgbouncer-env

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-22s%s\n", $$1, $$2 }'

run: base-env ## migrate, load demo data once, serve on http://127.0.0.1:8000 (PORT=…)
	@grep -qsE '^(export +)?DEBUG *=' .env || export DEBUG="$${DEBUG:-true}"; export PORT=$(PORT); \
	exec $(BIN)/python manage.py runserver --prepare 127.0.0.1:$(PORT)

setup: base-env ## make it yours: name, sender of emails, licence, example (ARGS='--name "Acme Billing" --noinput')
	@grep -qsE '^(export +)?DEBUG *=' .env || export DEBUG="$${DEBUG:-true}"; $(BIN)/python manage.py setup $(ARGS)

test: test-env clamav-env ## the whole suite on SQLite (ARGS='-k login' for a part of it)
	@TEST_DATABASE_URL= TEST_REDIS_URL= $(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL))

coverage: test-env ## the same suite, measured: fails below the floor of pyproject.toml (takes twice as long)
	@TEST_DATABASE_URL= TEST_REDIS_URL= $(BIN)/python -m pytest $(PARALLEL) --cov --cov-report=term:skip-covered $(ARGS)

test-services: test-env pgbouncer-env clamav-env ## the same suite on real PostgreSQL, Redis and a Celery worker
	@$(BIN)/python .ci/services.py $(BIN)/python -m pytest $(or $(ARGS),$(PARALLEL) $(REST))

test-next: next-env ## the suite with the next Django, warnings as errors; docs/upgrading.md (PYTHON=python3.13)
	@TEST_DATABASE_URL= TEST_REDIS_URL= .venv-next/bin/python -m pytest $(or $(ARGS),$(PARALLEL))

test-faults: test-env services-env prometheus-env ## services that are silent, gone, killed or locked, and floods of clients; prints figures
	@TEST_DATABASE_URL= TEST_REDIS_URL= $(BIN)/python -m pytest -p no:xdist config/tests/faults/*_faults.py $(ARGS)

test-faults-slow: dev-env services-env ## those that take minutes each
	@TEST_DATABASE_URL= TEST_REDIS_URL= $(BIN)/python -m pytest -p no:xdist config/tests/faults/*_slow.py $(ARGS)
	@$(BIN)/python .ci/scaffold_faults.py

test-clients: base-env clients-env npm-env ## generate typed clients from the schema, check programs that use them, run them
	@$(BIN)/python .ci/clients.py

test-proxy: dev-env nginx-env caddy-env ## the product behind nginx and Caddy, set up by docs/deployment.md and deploy/compose; then each block of docs/tutorial.md
	@$(BIN)/python .ci/services.py $(BIN)/python -m pytest config/tests/behind_nginx.py config/tests/two_servers_behind_nginx.py config/tests/behind_caddy.py $(ARGS)
	@$(BIN)/python .ci/tutorial.py

test-load: dev-env load-env ## `make load` against a server of its own; needs cores to itself
	@$(BIN)/python .ci/services.py $(BIN)/python -m pytest benchmarks/tests/load_runs.py $(ARGS)

test-browser: base-env browser-env chromium-env npm-env ## the client of docs/api.md, the admin and the pages of developers, in a real Chromium (ARGS='-k reload')
	@.venv-browser/bin/python -m pytest -c clients/browser/pytest.ini clients/browser $(ARGS)

test-scaffold: dev-env tools-env ## resources by `manage.py startresource` in a copy: checked, tested on both databases, removed
	@$(BIN)/python .ci/services.py $(BIN)/python .ci/scaffold.py

test-previous: test-env ## the tests of the last release, on the tables of this code; nothing where no migration has changed
	@$(BIN)/python .ci/services.py $(BIN)/python .ci/previous_release.py $(ARGS)

test-adoption: dev-env ## a copy with another name, role and app, by the steps of docs/adopting.md, on SQLite and PostgreSQL
	@$(BIN)/python .ci/services.py $(BIN)/python .ci/adopt.py
	@$(BIN)/python .ci/merge_release.py

test-backups: test-env ## backups that are made, damaged, verified and restored, on SQLite, then on PostgreSQL with Redis
	@TEST_DATABASE_URL= TEST_REDIS_URL= $(BIN)/python -m pytest -m backups $(PARALLEL) $(ARGS)
	@$(BIN)/python .ci/services.py $(BIN)/python -m pytest -m backups $(PARALLEL) $(ARGS)

# Without threads: Hypothesis calls `ast.parse`, which in Python 3.11 fails at times when several do.
test-contract: base-env tools-env ## a short run of `make fuzz`, as a user, by the present schema and by that of the last release
	@$(BIN)/python .ci/fuzz.py --only user --workers 1 --max-examples 2 --max-response-time 10 $(ARGS)
	@$(BIN)/python .ci/fuzz.py --released --only user --workers 1 --phases examples,fuzzing --max-examples 2 --max-response-time 10 $(ARGS)

check: dev-env tools-env prometheus-env kubectl-env caddy-env ## lint, format, types, imports, private names, words, migrations, deployment, schema, files, secrets, locks, audit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(EMBEDDED) DEBUG=true $(BIN)/mypy
	$(BIN)/python .ci/imports.py
	$(EMBEDDED) DEBUG=true $(BIN)/python .ci/private_names.py
	$(EMBEDDED) DEBUG=true $(BIN)/python manage.py makemigrations --check --dry-run
	@echo "manage.py check --deploy, in the shape of production"
	@$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(EMBEDDED) DEBUG=true $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(EMBEDDED) DEBUG=true $(BIN)/python .ci/contract.py
	$(BIN)/python .ci/words.py --product --list
	$(BIN)/hadolint Dockerfile $(wildcard deploy/compose/*.Dockerfile)
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml .devcontainer/docker-compose.yml $(wildcard deploy/compose/*.yml)
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@PATH="$(CURDIR)/.venv-prometheus/usr/bin:$$PATH"; cd deploy/prometheus && if command -v promtool >/dev/null; then \
		promtool check config --syntax-only prometheus.yml && promtool test rules alerts_test.yml; \
		else echo "ALERTS NOT CHECKED: promtool is missing; install Prometheus"; fi
	@if command -v npm >/dev/null && git rev-parse --git-dir >/dev/null 2>&1; then $(call npm-install,$(CLIENTS)); cd $(CURDIR) && git ls-files -z | xargs -0 $(CLIENTS)/node_modules/.bin/secretlint && \
		echo "secretlint: no key and no password in the files"; \
		else echo "SECRETS NOT SCANNED: that needs git, and Node.js 20 or newer with npm"; fi
	@PATH="$(CURDIR)/.venv-caddy/usr/bin:$$PATH"; ! test -e deploy/compose/Caddyfile || if command -v caddy >/dev/null; then \
		found=$$(DOMAIN=api.example.com ACME_EMAIL=ops@example.com caddy validate --config deploy/compose/Caddyfile 2>&1) && \
		echo "deploy/compose/Caddyfile is valid" || { echo "$$found"; exit 1; }; else echo "CADDYFILE NOT CHECKED: caddy is missing; install Caddy"; fi
	$(BIN)/python .ci/manifests.py
	@TEST_DATABASE_URL= TEST_REDIS_URL= $(BIN)/python -m pytest -q config/tests/test_systemd.py config/tests/test_platforms.py config/tests/test_compose.py config/tests/test_kubernetes.py
	@$(MAKE) --no-print-directory sbom
	$(BIN)/python .ci/lock.py --check
	$(BIN)/python -m pip --disable-pip-version-check check
	$(BIN)/python .ci/audit.py

words: dev-env ## count words and docstrings against the conventions (ARGS='--list core/jobs')
	-@$(BIN)/python .ci/words.py $(ARGS)

sbom: tools-env ## write the bill of materials of what production installs, as CycloneDX, to sbom.cdx.json
	@.venv-tools/bin/cyclonedx-py requirements requirements/prod.txt --output-reproducible --output-format JSON --output-file sbom.cdx.json && \
		echo "sbom.cdx.json has $$(grep -c '"purl"' sbom.cdx.json) packages"

lock: dev-env ## write requirements/*.txt from *.in (ARGS=--upgrade takes newer versions)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python .ci/lock.py $(ARGS)

release: base-env ## write the record of this release to docs/releases: its commit, contract, tables and files
	@$(EMBEDDED) DEBUG=true $(BIN)/python .ci/release.py

mutants: test-env ## break a copy on purpose, rule by rule, and require that its tests fail (ARGS='"a limit lets one more through"')
	@$(BIN)/python .ci/services.py $(BIN)/python .ci/mutants.py $(ARGS)

fuzz: base-env tools-env ## call the running API with what its schema allows, and what it does not
	@$(BIN)/python .ci/fuzz.py $(ARGS)

bench: prod-env bench-env express-env wrk-env ## measure this project beside its peers (ARGS='--only ours,stock_drf'; ARGS=--help)
	@TEST_DATABASE_URL="$${BENCH_DATABASE_URL:-$$TEST_DATABASE_URL}" TEST_REDIS_URL="$${BENCH_REDIS_URL:-$$TEST_REDIS_URL}" \
		$(BIN)/python .ci/services.py $(BIN)/python -m benchmarks.run $(ARGS)

load: load-env ## load test of a running server (HOST=http://127.0.0.1:8000 USERS=1000 SCENARIO=mixed; docs/performance.md)
	@.venv-load/bin/python -m benchmarks.load_test.run

clean: ## remove the environments, the local database and every cache
	rm -rf sbom.cdx.json .venv .venv-prometheus .venv-caddy .venv-clamav .venv-kubectl .venv-services .venv-tools .venv-browser .venv-bench .venv-load .venv-clients .venv-next
	rm -rf benchmarks/peers/express/node_modules clients/node_modules clients/generated
	rm -rf var .coverage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- environments --------------------------------------------------------------------------------
# The locks hold one another (base in prod in test in dev), so a larger one counts for the smaller.

base-env:
	$(call install,.venv,base,)
prod-env:
	$(call install,.venv,prod,base)
test-env:
	$(call install,.venv,test,base prod)
dev-env:
	$(call install,.venv,dev,base prod test)
services-env:
	$(call install,.venv-services,services,)
tools-env:
	$(call install,.venv-tools,tools,)
next-env:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12) and \
		"Django 6 needs Python 3.12 or newer. Name one that is: make PYTHON=python3.13 test-next")'
	$(call install,.venv-next,next,)
browser-env:
	$(call install,.venv-browser,browser,)
bench-env:
	$(call install,.venv-bench,bench,)
load-env:
	$(call install,.venv-load,load,)

clients-env:
	$(call install,.venv-clients,clients,)

EXPRESS := benchmarks/peers/express
CLIENTS := clients

# Without npm the run says so, and how to leave this peer out.
express-env:
	@command -v npm >/dev/null || exit 0; $(call npm-install,$(EXPRESS))

npm-env:
	@command -v npm >/dev/null || { \
		echo "make test-clients and test-browser need Node.js 20 or newer with npm: apt-get install nodejs npm, or https://nodejs.org" >&2; \
		exit 1; }; $(call npm-install,$(CLIENTS))

# The load generator. Without root the run says how to install it.
wrk-env:
	@command -v wrk >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || { \
		echo "Installing the load generator: apt-get install wrk …" && \
		{ apt-get install -y -qq wrk || { apt-get update -qq && apt-get install -y -qq wrk; }; } >/dev/null; }

# Without root its tests are skipped, and say how to install it.
pgbouncer-env:
	@command -v pgbouncer >/dev/null || test -x /usr/sbin/pgbouncer || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || { \
		echo "Installing the pooler: apt-get install pgbouncer …" && \
		{ apt-get install -y -qq pgbouncer || { apt-get update -qq && apt-get install -y -qq pgbouncer; }; } >/dev/null; }

# Without root the tests say how to install it.
nginx-env:
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || { \
		echo "Installing the proxy: apt-get install nginx-light …" && \
		{ apt-get install -y -qq nginx-light || { apt-get update -qq && apt-get install -y -qq nginx-light; }; } >/dev/null; }

# The server and its checker, unpacked next to the other environments: the package would start a service.
prometheus-env:
	@test -x .venv-prometheus/usr/bin/promtool || command -v promtool >/dev/null || ! command -v apt-get >/dev/null || { \
		echo "Installing Prometheus into .venv-prometheus …" && mkdir -p .venv-prometheus && cd .venv-prometheus && \
		{ apt-get download -qq prometheus || { apt-get update -qq && apt-get download -qq prometheus; }; } >/dev/null 2>&1 && \
		for package in prometheus_*.deb; do dpkg-deb --extract "$$package" .; done; rm -f prometheus_*.deb; } || true

# The proxy of deploy/compose, unpacked for the same reason.
caddy-env:
	@test -x .venv-caddy/usr/bin/caddy || command -v caddy >/dev/null || ! command -v apt-get >/dev/null || { \
		echo "Installing Caddy into .venv-caddy …" && mkdir -p .venv-caddy && cd .venv-caddy && \
		{ apt-get download -qq caddy || { apt-get update -qq && apt-get download -qq caddy; }; } >/dev/null 2>&1 && \
		for package in caddy_*.deb; do dpkg-deb --extract "$$package" .; done; rm -f caddy_*.deb; } || true

# Renders deploy/kubernetes. That of Debian 12 is too old, which .ci/manifests.py says; that of Debian 13 is not.
kubectl-env:
	@test -x .venv-kubectl/usr/bin/kubectl || command -v kubectl >/dev/null || ! command -v apt-get >/dev/null || { \
		echo "Installing kubectl into .venv-kubectl …" && mkdir -p .venv-kubectl && cd .venv-kubectl && \
		{ apt-get download -qq kubernetes-client || { apt-get update -qq && apt-get download -qq kubernetes-client; }; } >/dev/null 2>&1 && \
		for package in kubernetes-client_*.deb; do dpkg-deb --extract "$$package" .; done; rm -f kubernetes-client_*.deb; } || true

CLAMAV := clamav-daemon libclamav12 libmspack0 libjson-c5

# The scanner of uploads, unpacked in the same way, without the signatures of the vendor.
clamav-env:
	@test -x .venv-clamav/usr/sbin/clamd || command -v clamd >/dev/null || ! command -v apt-get >/dev/null || { \
		echo "Installing clamd into .venv-clamav …" && mkdir -p .venv-clamav && cd .venv-clamav && \
		{ apt-get download -qq $(CLAMAV) || { apt-get update -qq && apt-get download -qq $(CLAMAV); }; } >/dev/null 2>&1 && \
		for package in *.deb; do dpkg-deb --extract "$$package" .; done; rm -f *.deb; } || true

# The browser and its driver. Without root the run says how to install them.
chromium-env:
	@command -v chromedriver >/dev/null || test "$$(id -u)" != 0 || ! command -v apt-get >/dev/null || { \
		echo "Installing the browser: apt-get install chromium chromium-driver …" && \
		{ apt-get install -y -qq chromium chromium-driver || \
		{ apt-get update -qq && apt-get install -y -qq chromium chromium-driver; }; } >/dev/null; }

OLD_PYTHON := needs Python 3.11 or newer, but $(PYTHON) is %s. Name one that is: make PYTHON=python3.13 run

# $(call npm-install,FOLDER): as below, with the lock of npm.
define npm-install
cd $(1) && cmp -s package-lock.json node_modules/installed-lock.json || { \
		echo "Installing $(1)/package-lock.json …" && \
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && \
		cp package-lock.json node_modules/installed-lock.json; }
endef

# $(call install,ENVIRONMENT,LOCK,LOCKS IT HOLDS)
# An environment keeps a copy of each lock it was made from: while that equals the lock, nothing is
# installed and pip is not even started. It is copied last, so a broken installation starts again.
define install
	@test -x $(1)/bin/pip || { \
		command -v $(PYTHON) >/dev/null || { echo "This project needs Python 3.11 or newer: no $(PYTHON) here" >&2; exit 1; }; \
		$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "This project $(OLD_PYTHON)" % sys.version.split()[0])' && \
		$(PYTHON) -m venv --clear $(1); }
	@cmp -s requirements/$(2).txt $(1)/locks/$(2).txt || { \
		echo "Installing requirements/$(2).txt into $(1) …" && \
		{ [ -t 1 ] && loud= || loud=-qq; } && \
		$(1)/bin/python -m pip --disable-pip-version-check $$loud install --require-hashes -r requirements/$(2).txt && \
		mkdir -p $(1)/locks && cp $(foreach lock,$(2) $(3),requirements/$(lock).txt) $(1)/locks; }
endef
