"""What the company has set up."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field

from leadbridge.partners.leeloo.models.ids import TagId
from leadbridge.partners.leeloo.reading import Entity, Named, Text, identity


class TemplateCategory(Named):
    """A folder of templates."""


class Template(Entity):
    """A message's template."""

    name: Text = Field(None, validation_alias=AliasChoices("message_name", "messageName", "name"))


class Connection(Named):
    """One of the company's bots; `type` is its messenger."""

    type: Text = None


class Tag(Named):
    """A tag of the company."""

    id: Annotated[TagId, BeforeValidator(identity)]
