"""Transparency: RFC 9162 trees and C2SP notes, checkpoints, cosignatures, tiles, proofs and policies.

Knows logs, witnesses and their keys. Has never heard of letters, and must never learn what an entry says.
"""
