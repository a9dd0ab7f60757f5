"""Backups of the database and the files: made, proven, restored.

Others import `settlement.settles_restore`, and doctor `findings.backup_findings`.
"""
