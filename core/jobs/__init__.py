"""Jobs: work in the background that a caller starts, watches and may cancel.

Others import `services.enqueue_job` and `services.runs`.
"""
