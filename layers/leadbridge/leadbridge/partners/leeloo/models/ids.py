"""The partner's ids that must not be mixed up. They are text; their examples are not always 24 hex characters."""

from typing import NewType

AccountId = NewType("AccountId", str)
"""A person's channel in one messenger: what a message is sent to."""

PersonId = NewType("PersonId", str)
"""A human, who may have several accounts."""

TagId = NewType("TagId", str)
"""A tag's id, which is written; what is read of a person's tags are their names."""
