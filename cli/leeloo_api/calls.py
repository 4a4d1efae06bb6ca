"""Telephone calls."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models import AccountId
from leadbridge.partners.leeloo.values import NOT_DEFINED
from leadbridge.runtime.budget import Budget
from leeloo_api.formats import timestamp
from leeloo_api.models import RecordedCall


@dataclass(frozen=True)
class Calls:
    """`calls`"""

    client: Client

    def record(
        self,
        *,
        budget: Budget,
        user_id: str,
        account_id: AccountId,
        caller: str,
        called: str,
        at: datetime,
        seconds: int,
        status: Literal["TALKING", "SUCCESS", "NO_ANSWER", "CLOSED_BY_SYSTEM"],
        direction: Literal["INBOUND", "OUTBOUND"],
        record_link: str | None = None,
    ) -> RecordedCall:
        """`POST calls`: record a call. An omitted link is `NOT_DEFINED`. Raises ValueError for a naive `at`."""
        fields = {
            "user_id": user_id,
            "from": caller,
            "to": called,
            "date": timestamp(at),
            "account_id": account_id,
            "record_link": record_link or NOT_DEFINED,
            "status": status,
            "duration": seconds,
            "type": direction,
        }
        return self.client.send("call_create", "POST", ("calls",), fields, budget).one(RecordedCall)
