"""People's accounts as conversations, and telephone calls."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from leadbridge.partners.leeloo.models.ids import AccountId, PersonId
from leadbridge.partners.leeloo.reading import Entity, Moment, NamedTexts, Text, Truth, identity, identity_or_none


class Channel(Entity):
    """An account of a person, with the state of its conversation; `id` is the account's."""

    id: Annotated[AccountId, BeforeValidator(identity)]
    person_id: Annotated[PersonId | None, BeforeValidator(identity_or_none)] = None
    name: Text = None
    connection_type: Text = Field(None, validation_alias="from")
    bot_status: Text = None
    utm_marks: NamedTexts = Field(default_factory=dict)
    last_message_time: Moment = None
    created_at: Moment = None


class ChatMessage(Entity):
    """A message of a conversation."""

    text: Text = None
    type: Text = None
    read: Truth = None
    created_at: Moment = None
    updated_at: Moment = None


class RecordedCall(Entity):
    """A telephone call that was written down."""

    call_id: Text = None
