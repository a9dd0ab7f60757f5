"""The pages under /dev/, for developers: sent emails, and requests with what they did.

`emails` and `recording` write records, `records` stores them, `views` shows them, to this machine only. Without DEBUG
nothing of this room is imported: no middleware, no route and no email backend.
"""
