"""API keys: credentials of programs, with scopes and an end, made by their user.

Others import `models.ApiKey`, and `services.revoke_all`.
"""
