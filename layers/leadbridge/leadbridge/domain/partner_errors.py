"""What can go wrong with a partner, in the words the flows decide by.

PartnerError
├── Rejected        the partner understood and refused for good
├── Duplicate       the partner has this very thing already: nothing was made, and nothing went wrong
├── Misconfigured   our credentials or settings are wrong: a person must mend them
├── Unauthorized    a token was refused, the call was not processed
├── RateLimited     too many calls, the call was not processed
├── Unavailable     the call was surely not processed: come again
└── Unknown         the request went out and nobody can tell what became of it
"""

from typing import ClassVar


class PartnerError(Exception):
    """A call to a partner that did not succeed.

    `text` is safe to store, show and log: it never holds the partner's raw words nor anybody's data.
    `retry_after` is what the partner asked us to wait, in seconds. `is_intercepted` says that a proxy or a
    firewall in front of the partner answered.
    """

    kind: ClassVar[str] = "partner_error"
    is_intercepted: bool = False

    def __init__(self, partner: str, operation: str, text: str, *, retry_after: float | None = None) -> None:
        super().__init__(f"{partner} {operation}: {text}")
        self.partner = partner
        self.operation = operation
        self.text = text
        self.retry_after = retry_after


class Rejected(PartnerError):
    """The partner refused the request itself; sending it again would be refused again."""

    kind = "rejected"


class Duplicate(PartnerError):
    """The partner has this already, from us or from somebody else; sending it again would make no other."""

    kind = "duplicate"


class Misconfigured(PartnerError):
    """Credentials, keys or settings are wrong; retrying is useless until a person mends them.

    Not `certain` is one that met credentials which may have been changed in the last few seconds.
    """

    kind = "misconfigured"

    def __init__(
        self, partner: str, operation: str, text: str, *, retry_after: float | None = None, certain: bool = True
    ) -> None:
        super().__init__(partner, operation, text, retry_after=retry_after)
        self.certain = certain


class Unauthorized(PartnerError):
    """A token was refused before the request was processed."""

    kind = "unauthorized"


class RateLimited(PartnerError):
    """The partner asked us to slow down; the request was not processed."""

    kind = "rate_limited"


class Unavailable(PartnerError):
    """The request was surely not processed: it never went out, or the partner said so."""

    kind = "unavailable"


class Unknown(PartnerError):
    """The request went out, and no answer tells whether it was processed."""

    kind = "unknown"
