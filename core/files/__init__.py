"""Files: storage, quotas, uploads, images, signed addresses, attachments.

Others import `services`, `models.StoredFile`, `models.HasAttachments` and `attachments`.
"""
