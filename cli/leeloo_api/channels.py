"""People's accounts ("communication channels") and their chat messages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models import AccountId, PersonId
from leadbridge.runtime.budget import Budget
from leeloo_api.formats import last_message_filter
from leeloo_api.models import Channel, ChatMessage, ListedPerson
from leeloo_api.paging import MAX_PAGES, PAGE_SIZE, paged

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
        limit: int = PAGE_SIZE,
        pages: int = MAX_PAGES,
    ) -> Iterator[Channel]:
        """`GET communication-channels`: list the channels, all pages. Raises ValueError for a naive time."""
        return paged(
            Channel,
            lambda page: self.client.read("channels_list", (_CHANNELS,), budget, page),
            [*last_message_filter(last_message_since, last_message_until)],
            limit=limit,
            pages=pages,
        )

    def chat_messages(
        self, owner_id: PersonId | AccountId, *, budget: Budget, limit: int = PAGE_SIZE, pages: int = MAX_PAGES
    ) -> Iterator[ChatMessage]:
        """`GET communication-channels/{id}/chat-messages`: list the messages of a chat, all pages.

        The partner's document calls the id a channel's in one place and a person's in another. This is unconfirmed.
        """
        path = (_CHANNELS, owner_id, "chat-messages")
        return paged(
            ChatMessage,
            lambda page: self.client.read("chat_messages", path, budget, page),
            limit=limit,
            pages=pages,
        )

    def person(self, account_id: AccountId, *, budget: Budget) -> ListedPerson:
        """`GET communication-channels/{account_id}/person`: show the person of an account. Raises NotFound."""
        return self.client.read("channel_person", (_CHANNELS, account_id, "person"), budget).one(ListedPerson)

    def subscribe(self, account_id: AccountId, *, tunnel_id: str, tunnel_block_id: str, budget: Budget) -> None:
        """`POST communication-channels/{account_id}/manual-subscribe`: move the account to a block of a tunnel."""
        fields = {"tunnel_id": tunnel_id, "tunnel_block_id": tunnel_block_id}
        path = (_CHANNELS, account_id, "manual-subscribe")
        self.client.send("manual_subscribe", "POST", path, fields, budget)
