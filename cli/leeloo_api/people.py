"""People: the endpoints that messages do not need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from leadbridge.partners.leeloo import people
from leadbridge.partners.leeloo.models import PersonId, TagId
from leadbridge.runtime.budget import Budget
from leeloo_api.formats import last_message_filter
from leeloo_api.models import CustomField, ListedPerson, PersonDetails
from leeloo_api.paging import MAX_PAGES, PAGE_SIZE, paged


@dataclass(frozen=True)
class People(people.People):
    """`people/…`"""

    def list(
        self,
        *,
        budget: Budget,
        tags: Sequence[str] = (),
        phone: str | None = None,
        email: str | None = None,
        last_message_since: datetime | None = None,
        last_message_until: datetime | None = None,
        limit: int = PAGE_SIZE,
        pages: int = MAX_PAGES,
    ) -> Iterator[ListedPerson]:
        """`GET people`: list people, all pages. Each tag is one filter. Raises ValueError for a naive time."""
        query = [("filter[tags]", tag) for tag in tags]
        by_last_message = [*last_message_filter(last_message_since, last_message_until)]
        query += by_last_message or (people.ANY_LAST_MESSAGE if self.always_by_last_message else ())
        query += [("filter[phone]", phone)] if phone else []
        query += [("filter[email]", email)] if email else []
        return paged(
            ListedPerson,
            lambda page: self.client.read("people_list", ("people",), budget, page),
            query,
            limit=limit,
            pages=pages,
        )

    def get(self, person_id: PersonId, *, budget: Budget, include: Sequence[str] = ()) -> PersonDetails:
        """`GET people/{person_id}`: show a person. `include` may be `contactedUsers` and `orders`. Raises NotFound."""
        query = [("include", ",".join(include))] if include else []
        reply = self.client.read("person_get", ("people", person_id), budget, query)
        users = reply.included.get("users", reply.included.get("contactedUsers"))
        return reply.one(PersonDetails, users=users, orders=reply.included.get("orders"))

    def update(
        self,
        person_id: PersonId,
        *,
        budget: Budget,
        phone: str | None = None,
        email: str | None = None,
        custom_fields: Sequence[CustomField] | None = None,
    ) -> None:
        """`PUT people/{person_id}`: change the given fields of a person."""
        fields = {
            "phone": phone,
            "email": email,
            "custom_fields": None
            if custom_fields is None
            else [field.model_dump(exclude_none=True) for field in custom_fields],
        }
        self.client.send("person_update", "PUT", ("people", person_id), fields, budget)

    def remove_tag(self, person_id: PersonId, tag_id: TagId, *, budget: Budget) -> None:
        """`PUT people/{person_id}/remove-tag`: remove a tag of a person."""
        self.client.send("remove_tag", "PUT", ("people", person_id, "remove-tag"), {"tag_id": tag_id}, budget)
