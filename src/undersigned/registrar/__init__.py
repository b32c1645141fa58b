"""The registrar: attests that a person may sign, and blind-signs one token for each.

Knows who people are. Never learns which entry is whose, and keeps no time of issue.
"""
