"""Sign-in with other providers by OpenID Connect: the code flow, and the identities of users at providers.

Others import `models.Identity`, and `configuration.oidc_providers`.
"""
