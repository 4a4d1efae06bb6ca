"""Invented leads for the tests; no real person has these names, phones or tax numbers."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from leadbridge.domain.lead import Lead, Loan, Person, lead_id_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def asked(**person: Any) -> dict[str, Any]:
    """What a form sends of somebody who wants a loan."""
    return {
        "person": {
            "full_name": "Прикладенко Олена Іванівна",
            "phone": "050 000 00 01",
            "tax_number": "3068208400",
            "activity": "вчителька",
            "email": "olena@example.com",
            **person,
        },
        "loan": {"amount": Decimal("6000.00"), "term": 12},
    }


def lead(number: int = 1, *, source: str = "web", received_at: datetime = NOW, **person: Any) -> Lead:
    """A lead as it is stored."""
    return Lead(
        lead_id=lead_id_of(source, f"id:{number}"),
        source=source,
        received_at=received_at,
        partners=("leadleader",),
        person=Person(**asked(**person)["person"]),
        loan=Loan(amount=Decimal("6000.00"), term=12),
    )
