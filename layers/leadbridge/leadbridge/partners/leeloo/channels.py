"""People's accounts ("communication channels") and what was said there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models.channels import Channel, ChatMessage
from leadbridge.partners.leeloo.models.ids import AccountId, PersonId
from leadbridge.partners.leeloo.models.people import LeelooPerson
from leadbridge.partners.leeloo.paging import PAGES, ROWS, paged
from leadbridge.partners.leeloo.wording import between
from leadbridge.runtime.budget import Budget

_CHANNELS = "communication-channels"


@dataclass(frozen=True)
class Channels:
    """`communication-channels/…`"""

    client: Client

    def list(
        self,
        *,
        budget: Budget,
        last_message_since: datetime | None = None,
        last_message_until: datetime | None = None,
        limit: int = ROWS,
        pages: int = PAGES,
    ) -> Iterator[Channel]:
        """`GET communication-channels`, paged by itself. Raises ValueError at once for a naive datetime."""
        return paged(
            Channel,
            lambda asked: self.client.read("channels_list", (_CHANNELS,), budget, asked),
            [*between(last_message_since, last_message_until)],
            limit=limit,
            pages=pages,
        )

    def chat_messages(
        self, whose: PersonId | AccountId, *, budget: Budget, limit: int = ROWS, pages: int = PAGES
    ) -> Iterator[ChatMessage]:
        """`GET communication-channels/{id}/chat-messages`, paged by itself.

        The partner's document calls the id a channel's in one place and a person's in another: unconfirmed.
        """
        path = (_CHANNELS, whose, "chat-messages")
        return paged(
            ChatMessage,
            lambda asked: self.client.read("chat_messages", path, budget, asked),
            limit=limit,
            pages=pages,
        )

    def person(self, account_id: AccountId, *, budget: Budget) -> LeelooPerson:
        """`GET communication-channels/{account_id}/person`. Raises NotFound among others."""
        return self.client.read("channel_person", (_CHANNELS, account_id, "person"), budget).one(LeelooPerson)

    def subscribe(self, account_id: AccountId, *, tunnel_id: str, tunnel_block_id: str, budget: Budget) -> None:
        """`POST communication-channels/{account_id}/manual-subscribe`: puts the account into a block of a tunnel."""
        fields = {"tunnel_id": tunnel_id, "tunnel_block_id": tunnel_block_id}
        path = (_CHANNELS, account_id, "manual-subscribe")
        self.client.send("manual_subscribe", "POST", path, fields, budget)
