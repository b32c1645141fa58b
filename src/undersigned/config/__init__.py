"""Config: which rooms run in this process; nothing else composes rooms.

Knows addresses, directories and keys' places. Never learns what the rooms do with them.
"""
