"""The site: pages for readers and organizers, drawn from a projection of the log.

Knows what readers may see, and organizers' accounts and drafts. Never learns a roster, a key or a sealed name.
"""
