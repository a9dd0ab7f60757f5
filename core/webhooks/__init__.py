"""Outgoing webhooks: subscriptions of users to the events of rows that they may read, and their signed deliveries.

An app records an event by `core.audit.services.record`, and declares one of its own by `events.publishes`.
"""
