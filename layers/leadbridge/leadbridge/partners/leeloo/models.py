"""Response models of the endpoints that messages need. Parsing is lenient: see `values`."""

from __future__ import annotations

from typing import Annotated, NewType

from pydantic import BeforeValidator, Field

from leadbridge.partners.leeloo.values import Entity, NamedEntity, ResponseModel, Text, Texts, required_id, rows_of

AccountId = NewType("AccountId", str)
"""A person's account in one messenger. Messages are sent to accounts."""

PersonId = NewType("PersonId", str)
"""A person, who may have several accounts."""

TagId = NewType("TagId", str)
"""A tag. Requests take tag ids; a person's `tags` in a response are names."""


class PersonAccount(ResponseModel):
    """A person's account in one messenger; `connection_type` is `TELEGRAM`, `VKONTAKTE`, `MANUAL`…"""

    account_id: Annotated[AccountId, BeforeValidator(required_id)]
    connection_id: Text = None
    connection_status: Text = None
    connection_type: Text = Field(None, validation_alias="from")


class LeelooPerson(Entity):
    """A person."""

    id: Annotated[PersonId, BeforeValidator(required_id)]
    phone: Text = None
    email: Text = None
    locale: Text = None
    accounts: Annotated[tuple[PersonAccount, ...], rows_of(PersonAccount)] = ()


class NewPerson(ResponseModel):
    """The response to creating a person. There, `id` is the account's id and `person_id` the person's."""

    account_id: Annotated[AccountId, BeforeValidator(required_id), Field(validation_alias="id")]
    person_id: Annotated[PersonId, BeforeValidator(required_id)]
    name: Text = None
    tags: Texts = ()
    connection_type: Text = Field(None, validation_alias="from")


class Comment(Entity):
    """A comment on a person."""

    text: Text = None
    entity_id: Text = None
    entity_type: Text = None


class Tag(NamedEntity):
    """A tag of the company."""

    id: Annotated[TagId, BeforeValidator(required_id)]
