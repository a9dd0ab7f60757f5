"""The outbox: messages written in a transaction and delivered after its commit; emails.

Others import `services.enqueue`, `services.handles` and `mail.send`.
"""
