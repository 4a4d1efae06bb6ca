"""Response models. Enumerations are open sets and stay text; times are aware and UTC; amounts are Decimals."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, BeforeValidator, Field

from leadbridge.partners.leeloo.models import AccountId, LeelooPerson, PersonId
from leadbridge.partners.leeloo.values import (
    Entity,
    NamedEntity,
    ResponseModel,
    Text,
    Texts,
    optional_id,
    required_id,
    rows_of,
)
from leeloo_api.values import Boolean, Count, Ids, Moment, Money, TextMap

# What the company has set up


class TemplateCategory(NamedEntity):
    """A folder of templates."""


class Template(Entity):
    """A message template."""

    name: Text = Field(None, validation_alias=AliasChoices("message_name", "messageName", "name"))


class Connection(NamedEntity):
    """A bot of the company; `type` is its messenger."""

    type: Text = None


class User(NamedEntity):
    """A member of the company."""

    created_at: Moment = None
    updated_at: Moment = None


# Accounts, which the API calls communication channels, and calls


class Channel(Entity):
    """A person's account with the state of its conversation; `id` is the account's."""

    id: Annotated[AccountId, BeforeValidator(required_id)]
    person_id: Annotated[PersonId | None, BeforeValidator(optional_id)] = None
    name: Text = None
    connection_type: Text = Field(None, validation_alias="from")
    bot_status: Text = None
    utm_marks: TextMap = Field(default_factory=dict)
    last_message_time: Moment = None
    created_at: Moment = None


class ChatMessage(Entity):
    """A message of a conversation."""

    text: Text = None
    type: Text = None
    read: Boolean = None
    created_at: Moment = None
    updated_at: Moment = None


class RecordedCall(Entity):
    """A recorded telephone call."""

    call_id: Text = None


# Orders and people


class Order(Entity):
    """An order; `status` is `OPENED`, `RESOLVED`, `REJECTED`…"""

    title: Text = None
    price: Money = None
    currency: Text = None
    status: Text = None
    person_id: Annotated[PersonId | None, BeforeValidator(optional_id)] = None
    description: Text = None
    payment_method: Text = None
    created_at: Moment = None
    updated_at: Moment = None


class CustomField(ResponseModel):
    """A field that the company has added to its people."""

    type: Text = None
    name: Text = None
    value: Any = None


class ListedPerson(LeelooPerson):
    """A person with all fields. `tags` are names, not ids."""

    name: Text = None
    gender: Text = None
    tags: Texts = ()
    custom_fields: Annotated[tuple[CustomField, ...], rows_of(CustomField)] = ()
    contacted_user_ids: Ids = Field((), validation_alias=AliasPath("links", "contactedUsers"))
    order_ids: Ids = Field((), validation_alias=AliasPath("links", "orders"))
    last_message_time: Moment = None
    created_at: Moment = None
    updated_at: Moment = None


class PersonDetails(ListedPerson):
    """A person with the resources that `include` named."""

    users: Annotated[tuple[User, ...], rows_of(User)] = ()
    orders: Annotated[tuple[Order, ...], rows_of(Order)] = ()


# Tunnels


class Leadgentool(NamedEntity):
    """A lead generation tool: an entry into a tunnel."""

    type: Text = None


class Tunnel(NamedEntity):
    """A tunnel: a scripted sales conversation."""

    created_at: Moment = None
    updated_at: Moment = None
    leadgentool_ids: Ids = Field((), validation_alias=AliasPath("links", "leadgentools"))


class TunnelDetails(Tunnel):
    """A tunnel with the resources that `include` named."""

    leadgentools: Annotated[tuple[Leadgentool, ...], rows_of(Leadgentool)] = ()


class TunnelStats(ResponseModel):
    """The counts of one tunnel, or of all."""

    subscribers: Count = None
    uniq_subscribers: Count = None
    orders: Count = None
    sales: Count = None
    uniq_sales: Count = None
    visits: Count = None
    uniq_visits: Count = None
    shows: Count = None
    uniq_shows: Count = None
    total_sale: Money = None
    total_expenses: Money = None


class TrafficSource(NamedEntity):
    """A tracked link into a tunnel."""

    type: Text = None
    description: Text = None
    leadgentool_id: Text = None
    tunnel_id: Text = None
    hash: Text = None
    created_at: Moment = None
    updated_at: Moment = None
