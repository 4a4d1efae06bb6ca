"""What a command can come to: its exit code, and the one line that tells a person why."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class Code(IntEnum):
    """The exit codes, which scripts rely on (docs/command.md)."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    NO_ANSWER = 5


class Failure(Exception):
    """A command that did not do what it was asked to. `text` is one line for a person and holds no secret."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def wrong_use(text: str) -> Failure:
    """The command line, a file or a value cannot be understood."""
    return Failure(Code.USAGE, text)


def not_found(text: str) -> Failure:
    """There is no such thing."""
    return Failure(Code.NOT_FOUND, text)


@contextmanager
def partner_errors() -> Iterator[None]:
    """Make a Failure of a PartnerError that the block raises, and of a ValueError about what was to be sent."""
    from leadbridge.domain.errors.partner_errors import PartnerError

    try:
        yield
    except PartnerError as error:
        raise failure_of(error) from error
    except ValueError as error:
        raise wrong_use(str(error)) from error


def failure_of(error: Exception) -> Failure:
    """The failure that a PartnerError amounts to."""
    from leadbridge.domain.errors.partner_errors import PartnerError, RateLimited, Unavailable, Unknown
    from leadbridge.partners.leeloo.answers import NotFound

    match error:
        case NotFound():
            return not_found(str(error))
        case Unknown():
            return Failure(Code.NO_ANSWER, f"{error}. It may have been done: look before you repeat it.")
        case RateLimited() | Unavailable():
            return Failure(Code.NO_ANSWER, str(error))
        case PartnerError():
            return Failure(Code.REFUSED, str(error))
    raise TypeError(error)
