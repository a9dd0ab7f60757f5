"""HTTP: the server, middlewares, errors, logs, metrics, health, settings' parsers. Knows no model.

Others import any of its modules; importing the package itself loads nothing.
"""
