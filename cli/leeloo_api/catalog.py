"""What the company has set up: templates and their categories, connections, tags, users."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from leadbridge.partners.leeloo import catalog
from leadbridge.runtime.budget import Budget
from leeloo_api.models import Connection, Template, TemplateCategory, User
from leeloo_api.paging import MAX_PAGES, PAGE_SIZE, paged


@dataclass(frozen=True)
class Catalog(catalog.Catalog):
    """`categories/…`, `connections`, `tags`, `users/…`"""

    def template_categories(self, *, budget: Budget) -> tuple[TemplateCategory, ...]:
        """`GET categories/templates`: list the categories of templates."""
        reply = self.client.read("categories_list", ("categories", "templates"), budget)
        return reply.many(TemplateCategory, "categories")

    def templates(self, category_id: str, *, budget: Budget) -> tuple[Template, ...]:
        """`GET categories/templates/{category_id}`: list the templates of a category."""
        reply = self.client.read("templates_list", ("categories", "templates", category_id), budget)
        return reply.many(Template, "templates")

    def connections(self, *, budget: Budget) -> tuple[Connection, ...]:
        """`GET connections`: list the connections."""
        return self.client.read("connections_list", ("connections",), budget).many(Connection, "connections")

    def users(self, *, budget: Budget, limit: int = PAGE_SIZE, pages: int = MAX_PAGES) -> Iterator[User]:
        """`GET users`: list the users, all pages."""
        return paged(
            User, lambda page: self.client.read("users_list", ("users",), budget, page), limit=limit, pages=pages
        )

    def user(self, user_id: str, *, budget: Budget) -> User:
        """`GET users/{user_id}`: show a user. Raises NotFound."""
        return self.client.read("user_get", ("users", user_id), budget).one(User)
