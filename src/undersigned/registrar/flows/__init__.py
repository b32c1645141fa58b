"""What people do at the registrar: ask for a code, type it, get the right to sign, dispute a name."""
