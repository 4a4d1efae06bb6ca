"""The codes of all errors that leadbridge stores or shows, and what each one means.

A code is stable: the console, the CLI, exports and checks translate or compare it. The text beside it is for people and
may change at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from leadbridge.domain.errors.codes import CodeWithMeaning


class ErrorCode(CodeWithMeaning):
    """What went wrong."""

    # A call to a partner
    UNREACHABLE = "unreachable", "The connection to the partner failed. Nothing was sent."
    OUT_OF_TIME = "out_of_time", "The worker had no time left for the request. Nothing was sent."
    REPLY_LOST = "reply_lost", "The request was sent, and no complete reply arrived."
    RESPONSE_AMBIGUOUS = "response_ambiguous", "The reply does not say whether the request was processed."
    PROXY_PAGE = "proxy_page", "A proxy or a firewall replied instead of the partner."
    RESPONSE_INVALID = "response_invalid", "The reply lacks what the contract promises."
    UNAVAILABLE = "unavailable", "The partner could not process the request. It is safe to repeat it."
    RATE_LIMITED = "rate_limited", "The partner limits the rate of requests."
    TOKEN_REFUSED = "token_refused", "The partner did not accept an access token. The next attempt uses a new one."
    REJECTED = "rejected", "The partner rejected the request."
    FIELDS_REJECTED = "fields_rejected", "The partner rejected the fields that `fields` names."
    TAX_NUMBER_INVALID = "tax_number_invalid", "The partner rejected the tax number."
    NOT_FOUND = "not_found", "The partner does not have what the request names."
    DUPLICATE = "duplicate", "The partner has this already."
    ACCOUNT_EXISTS = "account_exists", "The partner has an account with this e-mail that is not ours."
    ACCOUNT_ORIGIN_UNKNOWN = (
        "account_origin_unknown",
        "The partner has an account with this e-mail. It may be ours.",
    )
    ACCOUNT_NOT_FOUND = (
        "account_not_found",
        "The partner lists no account with this e-mail, and the retry window has ended.",
    )
    LOOKUP_INCOMPLETE = "lookup_incomplete", "The search for the account at the partner did not finish in time."
    TEXT_INVALID = "text_invalid", "A value contains characters that cannot be sent."

    # Our access to a partner
    MISCONFIGURED = "misconfigured", "Our settings for the partner are wrong."
    LOGIN_UNKNOWN = "login_unknown", "The partner does not know the e-mail in the secret."
    PASSWORD_WRONG = "password_wrong", "The partner does not accept the password in the secret."
    CREDENTIALS_REFUSED = "credentials_refused", "The partner does not accept the credentials in the secret."
    KEY_REFUSED = "key_refused", "The partner cannot use what was encrypted or signed with the keys in the secret."
    KEY_INVALID = "key_invalid", "A key in the secret cannot be read, is of a wrong kind, or is too short."
    SECRET_MISSING = "secret_missing", "The secret has no value."
    SECRET_INCOMPLETE = "secret_incomplete", "The secret lacks the keys that `fields` names."
    SETTINGS_INCOMPLETE = "settings_incomplete", "The configuration lacks a setting that this needs."
    ADDRESS_INVALID = "address_invalid", "The partner's address in the secret is not a valid https URL."
    FORBIDDEN = "forbidden", "The partner does not permit this with our credentials."
    OFFER_REFUSED = "offer_refused", "The partner does not know our offer or partner id."
    REQUEST_REFUSED = "request_refused", "The form's builder does not accept our requests."
    LEAD_NOT_VISIBLE = "lead_not_visible", "The form's builder does not have the lead, or does not show it to us."
    PARTNER_NOT_CONFIGURED = "partner_not_configured", "The configuration does not have this partner any more."

    # A delivery
    OFFER_UNKNOWN = "offer_unknown", "The secret has no offer of this name. The lead is sent to the default offer."
    WORKER_LOST = "worker_lost", "The worker stopped while the request was running."
    SAME_PERSON = "same_person", "The same person came before with another lead."
    CAPPED = "capped", "The partner takes no more leads at this time: a cap is used up."
    CLOSED = "closed", "The partner takes no leads at this time."
    MOVED = "moved", "An operator gave the lead to another partner before it was sent."
    MISSING_FIELDS = "missing_fields", "The partner does not take the lead because of the fields that `fields` names."
    ALREADY_LINKED = "already_linked", "The partner's id is linked to another lead."
    ID_UNKNOWN = "id_unknown", "The partner's id of this delivery is not known."
    STATUS_MISSING = "status_missing", "The partner lists no status for this account."
    ERASED = "erased", "The person was erased before the lead was sent."
    NOT_CREATED = "not_created", "An operator states that the partner does not have it."
    SETTLEMENT_WITHDRAWN = "settlement_withdrawn", "An operator withdrew what was settled."
    SELF_CHECK = "self_check", "A lead of the deployment check ends here. No partner is called."
    RESTORED = "restored", "The table was restored to an earlier moment. It may have been sent since."

    # A message
    SUPERSEDED = "superseded", "A newer message about the same delivery was sent."
    LEAD_NOT_FOUND = "lead_not_found", "The lead is not stored any more."
    NOT_CONFIGURED = "not_configured", "The configuration has no message for this status."
    PERSON_UNKNOWN = "person_unknown", "Leeloo does not know the person."
    WRONG_DEAL = "wrong_deal", "The id of the deal was entered wrongly, so the status is not this lead's."
    DEAL_CONTESTED = "deal_contested", "The deal of the status is contested: it may belong to another lead."

    # A postback
    ADDRESS_REFUSED = "address_refused", "The address is not one of the public internet."
    CLICK_ID_MISSING = "click_id_missing", "The tracker's address needs a click id, and the lead has none."
    NOT_ACCEPTED = "not_accepted", "The tracker did not accept the postback."
    TRACKER_GONE = "tracker_gone", "The tracker answered that the address does not exist any more."
    URL_TOO_LONG = "url_too_long", "The tracker's address is too long with the values of the lead."

    # A dead letter
    WORKER_FAILED = "worker_failed", "The worker failed each time. The logs contain the reason."
    RULE_FAILED = "rule_failed", "The event bus could not deliver the event to its queue."
    EVENT_REJECTED = "event_rejected", "The event bus rejected the event."
    RECORD_INVALID = "record_invalid", "A record of the table's stream cannot be read."
    STREAM_FAILED = "stream_failed", "Changes were not published. The sweep queues the items that wait."
    SCHEDULE_FAILED = "schedule_failed", "A scheduled run failed. The next run does its work."
    ANSWER_NOT_RECORDED = "answer_not_recorded", "The partner answered, and the answer could not be stored."
    DEAD_LETTER_INVALID = "dead_letter_invalid", "The dead letter names nothing that can be redriven."
    ATTEMPT_MISMATCH = "attempt_mismatch", "The answer is for an earlier attempt."
    MAY_BE_OURS = "may_be_ours", "An earlier attempt may have created what the partner has."
    NEEDS_CONFIRMATION = "needs_confirmation", "The partner may have it already. A retry needs a confirmation."
    OUTCOME_UNKNOWN = "outcome_unknown", "The person may have received the message."
    STATE_CONFLICT = "state_conflict", "The item was settled in the meantime, and the answer contradicts it."
    IN_PROGRESS = "in_progress", "It is still being processed."
    CONCURRENT_CHANGE = "concurrent_change", "Another writer changed it at the same moment."


@dataclass(frozen=True)
class ErrorInfo:
    """An error as it is stored: its code, its text for people, and as `data` the facts that the text states.

    `data` holds texts, whole numbers and lists of texts. It never holds a partner's raw text or personal data.
    """

    code: ErrorCode
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def entry_data(self) -> dict[str, Any]:
        """The data of a timeline entry about this error."""
        return {"error_code": self.code.value, **self.data}

    @property
    def dead_letter(self) -> dict[str, Any]:
        """The members of a dead letter that contain its reason."""
        return {
            "reason": self.text,
            "reason_code": self.code.value,
            **({"reason_data": self.data} if self.data else {}),
        }

    def equals_last_of(self, item: HasError) -> bool:
        """Return whether an item's last error has the same code and data."""
        return item.last_error_code == self.code and (item.last_error_data or {}) == self.data


class HasError(Protocol):
    """An item that keeps its last error: a delivery, a message, a fetch."""

    @property
    def last_error(self) -> str | None:
        """The text, always our own."""
        ...

    @property
    def last_error_code(self) -> str | None:
        """The code. It is a text, because another version may have written it."""
        ...

    @property
    def last_error_data(self) -> Mapping[str, Any] | None:
        """The data; None where there is none."""
        ...


def last_error(error: ErrorInfo | None) -> dict[str, Any]:
    """Return the three attributes that keep an item's last error; all None without one."""
    if error is None:
        return {"last_error": None, "last_error_code": None, "last_error_data": None}
    return {
        "last_error": error.text,
        "last_error_code": error.code.value,
        "last_error_data": dict(error.data) if error.data else None,
    }


def parse_error_code(name: object) -> ErrorCode | None:
    """Return the code with this name; None if there is none."""
    return next((code for code in ErrorCode if code == name), None)
