"""Match-Trade's errors: `{"status", "timestamp", "message", "printableMessage"}`, and OAuth's for tokens."""

from devstack.sandbox.matchtrade.times import Millis, instant
from devstack.sandbox.partner import Answer

BAD_TOKEN = "java.nio.charset.MalformedInputException: Input length = 1"
UNKNOWN_OFFER = "Entity not found: [status 404 reading OfferClient#findOne(UUID)]"
INVALID_MODEL = "Register Account Model is not valid"
COLUMNS = ("uuid", "created", "updated", "partner_id", "email", "name", "surname", "phone", "country", "lead_source")


class Refusal(Exception):
    """`reason` is for the call log only; the caller gets the message."""

    def __init__(self, status: int, message: str, reason: object = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = message if reason is None else reason

    def answer(self, now: Millis) -> Answer:
        body = {
            "status": self.status,
            "timestamp": instant(now),
            "message": self.message,
            "printableMessage": self.message,
        }
        return Answer.of(self.status, body, refused=self.reason)


class NoToken(Exception):
    """A refused token, with OAuth's two fields instead of the four."""

    def __init__(self, status: int, error: str, description: str, reason: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.description = description
        self.reason = reason

    def answer(self) -> Answer:
        body = {"error": self.error, "error_description": self.description}
        return Answer.of(self.status, body, refused=self.reason)


def unauthorized(reason: str) -> NoToken:
    return NoToken(401, "unauthorized", "Authentication error", reason)


def invalid_model(*wrong: str) -> Refusal:
    """`wrong` are the paths of the fields."""
    return Refusal(500, INVALID_MODEL, list(wrong))


def does_not_fit(email: str, length: int, field: str) -> Refusal:
    """The database's error with its SQL and the person's address, as drivers write it."""
    insert = f"insert into account ({', '.join(COLUMNS)})"
    message = (
        f"could not execute batch; SQL [{insert} values ({', '.join('?' * len(COLUMNS))})]; nested exception is "
        f"org.hibernate.exception.DataException: could not execute batch: Batch entry 0 {insert} values "
        f"(…, '{email}', …) was aborted: ERROR: value too long for type character varying({length})"
    )
    return Refusal(400, message, f"does not fit: {field}")


def already_exists(email: str, partner_id: int) -> Refusal:
    return Refusal(409, f"Account [{email}:{partner_id}] already exists", "already exists")
