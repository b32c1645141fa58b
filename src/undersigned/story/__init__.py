"""The story: plays synthetic people through the real client, so that anyone can watch a letter from first word to last.

Knows what each of its people does next. Never learns what a room keeps to itself: it comes in by the front door.
"""
