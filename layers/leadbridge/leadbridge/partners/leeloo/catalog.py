"""What the company has set up: templates and their categories, connections, tags, users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models.catalog import Connection, Tag, Template, TemplateCategory
from leadbridge.partners.leeloo.models.ids import TagId
from leadbridge.partners.leeloo.models.people import User
from leadbridge.partners.leeloo.paging import PAGES, ROWS, paged
from leadbridge.runtime.budget import Budget


@dataclass(frozen=True)
class Catalog:
    """`categories/…`, `connections`, `tags`, `users/…`"""

    client: Client

    def template_categories(self, *, budget: Budget) -> tuple[TemplateCategory, ...]:
        """`GET categories/templates`."""
        reply = self.client.read("categories_list", ("categories", "templates"), budget)
        return reply.many(TemplateCategory, "categories")

    def templates(self, category_id: str, *, budget: Budget) -> tuple[Template, ...]:
        """`GET categories/templates/{category_id}`."""
        reply = self.client.read("templates_list", ("categories", "templates", category_id), budget)
        return reply.many(Template, "templates")

    def connections(self, *, budget: Budget) -> tuple[Connection, ...]:
        """`GET connections`."""
        return self.client.read("connections_list", ("connections",), budget).many(Connection, "connections")

    def tags(self, *, budget: Budget) -> tuple[Tag, ...]:
        """`GET tags`."""
        return self.client.read("tags_list", ("tags",), budget).many(Tag)

    def tag_id(self, name: str, *, budget: Budget) -> TagId | None:
        """The id of the tag of this very name, by `GET tags`; None if there is none."""
        return next((tag.id for tag in self.tags(budget=budget) if tag.name == name), None)

    def users(self, *, budget: Budget, limit: int = ROWS, pages: int = PAGES) -> Iterator[User]:
        """`GET users`, paged by itself."""
        return paged(
            User,
            lambda asked: self.client.read("users_list", ("users",), budget, asked),
            limit=limit,
            pages=pages,
        )

    def user(self, user_id: str, *, budget: Budget) -> User:
        """`GET users/{user_id}`. Raises NotFound among others."""
        return self.client.read("user_get", ("users", user_id), budget).one(User)
