"""Releases of this project in a copy of it: `manage.py upgrade`.

`manifest` reads which files a release has, `advisories` what is wrong in which release. `checking` compares a copy with
both, `merging` merges a newer release, and `conflicts` knows what to do about each kind of conflict.
"""
