"""The log: admits entries, puts them in order, promises, and publishes checkpoints that witnesses cosign.

Knows entries and their order, and keeps sealed blobs until they are due. Never learns a name under seal, nor which
token request an entry came from, and stores no network address.
"""
