"""Lead Leader, a credit broker in Ukraine: RSA-signed authorization, one-time tokens, short deals, their statuses."""

from leadbridge.partners.leadleader.client import LeadLeader

__all__ = ["LeadLeader"]
