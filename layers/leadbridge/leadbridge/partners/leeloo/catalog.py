"""What the company has set up at Leeloo."""

from __future__ import annotations

from dataclasses import dataclass

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models import Tag
from leadbridge.runtime.budget import Budget


@dataclass(frozen=True)
class Catalog:
    """`tags`"""

    client: Client

    def tags(self, *, budget: Budget) -> tuple[Tag, ...]:
        """`GET tags`: list the tags."""
        return self.client.read("tags_list", ("tags",), budget).many(Tag)
