"""Exit codes and the errors that lead to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class Code(IntEnum):
    """Exit codes; scripts rely on them (docs/command.md)."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    NO_ANSWER = 5


class Failure(Exception):
    """A failed command. `text` is one line for the operator, without secrets. `is_brief`: it may work in a moment."""

    def __init__(self, code: Code, text: str, *, is_brief: bool = False) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.is_brief = is_brief


def usage_error(text: str) -> Failure:
    """Return the failure for an invalid command line, file or value."""
    return Failure(Code.USAGE, text)


def not_found(text: str) -> Failure:
    """Return the failure for something that does not exist."""
    return Failure(Code.NOT_FOUND, text)


@contextmanager
def partner_errors() -> Iterator[None]:
    """Convert a PartnerError in the block to Failure, and a ValueError about the request too."""
    from leadbridge.domain.errors.partner_errors import PartnerError

    try:
        yield
    except PartnerError as error:
        raise failure_of(error) from error
    except ValueError as error:
        raise usage_error(str(error)) from error


def failure_of(error: Exception) -> Failure:
    """Return the failure for a PartnerError."""
    from leadbridge.domain.errors.partner_errors import PartnerError, RateLimited, Unavailable, Unknown
    from leadbridge.partners.leeloo.answers import NotFound

    match error:
        case NotFound():
            return not_found(str(error))
        case Unknown():
            return Failure(
                Code.NO_ANSWER, f"{error}. The call may have been executed. Check the state before you repeat it."
            )
        case RateLimited() | Unavailable():
            return Failure(Code.NO_ANSWER, str(error))
        case PartnerError():
            return Failure(Code.REFUSED, str(error))
    raise TypeError(error)
