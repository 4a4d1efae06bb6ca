"""Which lead is it? By the person's account at Leeloo, by phone, by e-mail; the newest one that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leadbridge.storage import items

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Finder:
    """Looks leads up in the table's indexes. Every method may raise botocore's errors."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def by_account(self, account_id: str) -> str | None:
        """The lead whose person has this account."""
        return self._newest("account", "contact_account", account_id)

    def by_phone(self, phone_hash: str) -> str | None:
        """The newest lead with this phone, given as its keyed hash."""
        return self._newest(items.PHONE, "phone_hash", phone_hash)

    def by_email(self, email_hash: str) -> str | None:
        """The newest lead with this e-mail, given as its keyed hash."""
        return self._newest("email", "email_hash", email_hash)

    def _newest(self, index: str, attribute: str, value: str) -> str | None:
        found = self._client.query(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=f"{attribute} = :value",
            ExpressionAttributeValues=items.encode({":value": value}),
            ScanIndexForward=False,
            Limit=1,
        )["Items"]
        return str(items.decode(found[0])["pk"]).partition("#")[2] if found else None
