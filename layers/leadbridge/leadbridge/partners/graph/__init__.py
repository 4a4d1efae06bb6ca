"""Meta's Graph API, as far as it keeps the leads of Lead Ads: one read."""

from leadbridge.partners.graph.client import Graph

__all__ = ["Graph"]
