"""A partner's answer to a create, in a form for dead letters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from leadbridge.domain.errors.partner_errors import Duplicate, PartnerError, Rejected

RECORD_ANSWER = "record_answer"  # the step of a dead letter that contains an answer to record


@dataclass(frozen=True)
class PartnerAnswer:
    """The answer: the id of what was created (None if the partner does not return it), or an error."""

    created: int | str | None = None
    error: PartnerError | None = None

    def as_json(self) -> dict[str, Any]:
        """Return `{"deal_id"}`, `{"account_uuid"}`, or `{"outcome"}` with `created`, `rejected`, `duplicate`,
        `not_processed`. An error comes with its text, which is always ours, its code and its data.
        """
        match self.error:
            case None if isinstance(self.created, int):
                return {"deal_id": self.created}
            case None if self.created is not None:
                return {"account_uuid": self.created}
            case None:
                return {"outcome": "created"}
            case Rejected() as error:
                outcome = "rejected"
            case Duplicate() as error:
                outcome = "duplicate"
            case error:
                outcome = "not_processed"
        data = {"error_data": error.data} if error.data else {}
        return {"outcome": outcome, "error": error.text, "error_code": error.code.value, **data}
