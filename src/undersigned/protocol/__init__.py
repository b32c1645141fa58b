"""Protocol: what a letter is - its entries, rule book, count, sealing, receipts and dossier.

Knows every rule and nothing of the world: no network, disk, clock or chance; what it needs comes in as arguments.
"""
