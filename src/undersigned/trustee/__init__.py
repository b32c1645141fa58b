"""A trustee: holds one seal seed per tier, and opens names only together with the others, when the log shows it is due.

Knows entries, and the names of a frozen set. Never learns a name of any other set.
"""
