"""The client: follows a letter's log and signs in it, and trusts nothing unproved.

Knows what its own person types. Never believes a host: every head, entry, token, promise and proof is checked here.
"""
