"""What Leeloo's answers hold. Enumerations are open sets and stay text; times are aware and UTC; money is exact."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, BeforeValidator, Field

from leadbridge.partners.leeloo.ids import AccountId, PersonId, TagId
from leadbridge.partners.leeloo.reading import (
    Count,
    Ids,
    Moment,
    Money,
    NamedTexts,
    Read,
    Text,
    Texts,
    Truth,
    identity,
    identity_or_none,
    rows_of,
)


class Entity(Read):
    """Something that has an id of its own."""

    id: Annotated[str, BeforeValidator(identity)]


class Named(Entity):
    """Something with an id and a name."""

    name: Text = None


class TemplateCategory(Named):
    """A folder of templates."""


class Tag(Named):
    """A tag of the company."""

    id: Annotated[TagId, BeforeValidator(identity)]


class Template(Entity):
    """A message's template."""

    name: Text = Field(None, validation_alias=AliasChoices("message_name", "messageName", "name"))


class Connection(Named):
    """One of the company's bots; `type` is its messenger."""

    type: Text = None


class Leadgentool(Named):
    """A lead generation tool: where people enter a tunnel."""

    type: Text = None


class User(Named):
    """One of the company's own people."""

    created_at: Moment = None
    updated_at: Moment = None


class PersonAccount(Read):
    """A person's account in one messenger; `connection_type` is `TELEGRAM`, `VKONTAKTE`, `MANUAL`…"""

    account_id: Annotated[AccountId, BeforeValidator(identity)]
    connection_id: Text = None
    connection_status: Text = None
    connection_type: Text = Field(None, validation_alias="from")


class CustomField(Read):
    """A field that the company has added to its people."""

    type: Text = None
    name: Text = None
    value: Any = None


class Order(Entity):
    """An order; `status` is `OPENED`, `RESOLVED`, `REJECTED`…"""

    title: Text = None
    price: Money = None
    currency: Text = None
    status: Text = None
    person_id: Annotated[PersonId | None, BeforeValidator(identity_or_none)] = None
    description: Text = None
    payment_method: Text = None
    created_at: Moment = None
    updated_at: Moment = None


class Person(Entity):
    """A human. `tags` are names, not ids."""

    id: Annotated[PersonId, BeforeValidator(identity)]
    name: Text = None
    gender: Text = None
    phone: Text = None
    email: Text = None
    locale: Text = None
    tags: Texts = ()
    accounts: Annotated[tuple[PersonAccount, ...], rows_of(PersonAccount)] = ()
    custom_fields: Annotated[tuple[CustomField, ...], rows_of(CustomField)] = ()
    contacted_user_ids: Ids = Field((), validation_alias=AliasPath("links", "contactedUsers"))
    order_ids: Ids = Field((), validation_alias=AliasPath("links", "orders"))
    last_message_time: Moment = None
    created_at: Moment = None
    updated_at: Moment = None


class PersonDetails(Person):
    """A person with what was asked to be included."""

    users: Annotated[tuple[User, ...], rows_of(User)] = ()
    orders: Annotated[tuple[Order, ...], rows_of(Order)] = ()


class NewPerson(Read):
    """A person just made: `id` in the answer is the account's, `person_id` the person's."""

    account_id: Annotated[AccountId, BeforeValidator(identity), Field(validation_alias="id")]
    person_id: Annotated[PersonId, BeforeValidator(identity)]
    name: Text = None
    tags: Texts = ()
    connection_type: Text = Field(None, validation_alias="from")


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


class Tunnel(Named):
    """A tunnel: a scripted conversation that sells something."""

    created_at: Moment = None
    updated_at: Moment = None
    leadgentool_ids: Ids = Field((), validation_alias=AliasPath("links", "leadgentools"))


class TunnelDetails(Tunnel):
    """A tunnel with what was asked to be included."""

    leadgentools: Annotated[tuple[Leadgentool, ...], rows_of(Leadgentool)] = ()


class TunnelStats(Read):
    """What became of people in one tunnel, or in all."""

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


class TrafficSource(Named):
    """A marked way into a tunnel."""

    type: Text = None
    description: Text = None
    leadgentool_id: Text = None
    tunnel_id: Text = None
    hash: Text = None
    created_at: Moment = None
    updated_at: Moment = None


class Comment(Entity):
    """A comment on a person."""

    text: Text = None
    entity_id: Text = None
    entity_type: Text = None


class RecordedCall(Entity):
    """A telephone call that was written down."""

    call_id: Text = None
