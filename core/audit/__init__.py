"""The audit log: append-only events, guarded by triggers.

Others import `services.record` and, to read it, `models.AuditEvent`.
"""
