"""People, their accounts, and what is noted about them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasPath, BeforeValidator, Field

from leadbridge.partners.leeloo.models.ids import AccountId, PersonId
from leadbridge.partners.leeloo.models.orders import Order
from leadbridge.partners.leeloo.reading import Entity, Ids, Moment, Named, Read, Text, Texts, identity, rows_of


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


class User(Named):
    """One of the company's own people."""

    created_at: Moment = None
    updated_at: Moment = None


class LeelooPerson(Entity):
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


class PersonDetails(LeelooPerson):
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


class Comment(Entity):
    """A comment on a person."""

    text: Text = None
    entity_id: Text = None
    entity_type: Text = None
