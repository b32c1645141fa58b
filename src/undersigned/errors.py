"""What the lower floors may raise, and nothing else: three refusals, each one sentence for the person who meets it."""


class UndersignedError(Exception):
    """Anything the product refuses, with a message written for the person who will read it."""


class Malformed(UndersignedError):
    """Bytes that do not follow their format."""


class Refused(UndersignedError):
    """Something the letter's own rules do not allow, or do not allow now."""


class VerificationError(UndersignedError):
    """Evidence that does not prove what it claims."""


class Unavailable(UndersignedError):
    """Something could not be checked or done: unreadable, unreachable, or not there yet."""
