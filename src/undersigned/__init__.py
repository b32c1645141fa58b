"""Undersigned: open letters that people can sign under seal, and anybody can recount.

The rooms and who may import whom: README.md; `make floors` checks it.
"""
