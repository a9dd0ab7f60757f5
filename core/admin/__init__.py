"""The base of every ModelAdmin: writes by services, lists, confirmed actions; and the pages of the audit log.

Others import `base.BaseAdmin` and `base.ReadOnlyAdmin`.
"""
