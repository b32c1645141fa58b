"""Crypto: the formats of RFC 8032, RFC 9474, RFC 9180 and Shamir's sharing, leaning on libraries for the arithmetic.

Knows bytes and keys. Has never heard of letters, and must never learn what its bytes are for.
"""
