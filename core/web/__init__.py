"""The HTTP layer: server, middlewares, errors, logs, metrics, health and the parsers of settings. Imports no model."""
