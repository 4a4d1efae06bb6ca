"""Meta's Graph API: reads a lead of Lead Ads."""

from leadbridge.partners.graph.client import Graph

__all__ = ["Graph"]
