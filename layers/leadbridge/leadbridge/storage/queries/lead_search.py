"""Finding a lead by the person's account at Leeloo, by phone, by e-mail: the newest one that fits."""

from __future__ import annotations

from leadbridge.storage import items
from leadbridge.storage.items import lead_id_of
from leadbridge.storage.table import Query, Table


class LeadFinder:
    """Looks leads up in the table's indexes. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def by_account(self, account_id: str) -> str | None:
        """The lead whose person has this account."""
        return self._newest("account", "contact_account", account_id)

    def by_phone(self, phone_hash: str) -> str | None:
        """The newest lead with this phone, given as its keyed hash."""
        return self._newest(items.PHONE, "phone_hash", phone_hash)

    def by_email(self, email_hash: str) -> str | None:
        """The newest lead with this e-mail, given as its keyed hash."""
        return self._newest(items.EMAIL, "email_hash", email_hash)

    def _newest(self, index: str, attribute: str, value: str) -> str | None:
        query = Query(f"{attribute} = :value", {":value": value}, index, newest_first=True)
        return next((lead_id_of(values) for values in self._table.query(query, limit=1)), None)
