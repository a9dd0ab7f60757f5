"""The OpenAPI document.

Settings name its classes; nobody else imports it.
"""
