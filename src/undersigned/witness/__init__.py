"""A witness: cosigns checkpoints, and so makes sure that each log has one history.

Knows the last checkpoint it cosigned of each log. Never learns an entry, let alone a name.
"""
