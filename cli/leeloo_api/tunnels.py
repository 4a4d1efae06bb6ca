"""Tunnels, their statistics and traffic sources."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leadbridge.partners.leeloo.client import Client
from leadbridge.runtime.budget import Budget
from leeloo_api.models import TrafficSource, Tunnel, TunnelDetails, TunnelStats
from leeloo_api.paging import MAX_PAGES, PAGE_SIZE, paged


@dataclass(frozen=True)
class Tunnels:
    """`tunnels/…` and `leadgentools/…`"""

    client: Client

    def list(self, *, budget: Budget, limit: int = PAGE_SIZE, pages: int = MAX_PAGES) -> Iterator[Tunnel]:
        """`GET tunnels`: list the tunnels, all pages."""
        return paged(
            Tunnel,
            lambda page: self.client.read("tunnels_list", ("tunnels",), budget, page),
            limit=limit,
            pages=pages,
        )

    def get(self, tunnel_id: str, *, budget: Budget, include: Sequence[str] = ()) -> TunnelDetails:
        """`GET tunnels/{tunnel_id}`: show a tunnel. `include` may be `leadgentools`. Raises NotFound."""
        query = [("include", ",".join(include))] if include else []
        reply = self.client.read("tunnel_get", ("tunnels", tunnel_id), budget, query)
        return reply.one(TunnelDetails, leadgentools=reply.included.get("leadgentools"))

    def all_stats(self, *, budget: Budget) -> tuple[TunnelStats, ...]:
        """`GET tunnels/stats`: list the statistics of all tunnels."""
        return self.client.read("tunnels_stats", ("tunnels", "stats"), budget).many(TunnelStats)

    def stats(self, tunnel_id: str, *, budget: Budget) -> TunnelStats | None:
        """`GET tunnels/{tunnel_id}/stats`: show the statistics of a tunnel. Returns None if it has none."""
        rows = self.client.read("tunnel_stats", ("tunnels", tunnel_id, "stats"), budget).many(TunnelStats)
        return rows[0] if rows else None

    def create_traffic_source(
        self, leadgentool_id: str, *, name: str, description: str | None = None, budget: Budget
    ) -> TrafficSource:
        """`POST leadgentools/{leadgentool_id}/create-traffic-source`: create a traffic source of a tool."""
        path = ("leadgentools", leadgentool_id, "create-traffic-source")
        fields = {"name": name, "description": description}
        return self.client.send("traffic_source_create", "POST", path, fields, budget).one(TrafficSource)
