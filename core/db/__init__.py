"""Models and queries: BaseModel, access, compiled statements, search, owner versions, retries.

Others import `base`, `access`, `search`, `indexes`, `privacy`.
"""
