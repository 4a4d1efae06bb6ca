"""Tunnels, their figures, and the marked ways into them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models.tunnels import TrafficSource, Tunnel, TunnelDetails, TunnelStats
from leadbridge.partners.leeloo.paging import PAGES, ROWS, paged
from leadbridge.runtime.budget import Budget


@dataclass(frozen=True)
class Tunnels:
    """`tunnels/…` and `leadgentools/…`"""

    client: Client

    def list(self, *, budget: Budget, limit: int = ROWS, pages: int = PAGES) -> Iterator[Tunnel]:
        """`GET tunnels`, paged by itself."""
        return paged(
            Tunnel,
            lambda asked: self.client.read("tunnels_list", ("tunnels",), budget, asked),
            limit=limit,
            pages=pages,
        )

    def get(self, tunnel_id: str, *, budget: Budget, include: Sequence[str] = ()) -> TunnelDetails:
        """`GET tunnels/{tunnel_id}`; `include` may name `leadgentools`. Raises NotFound among others."""
        query = [("include", ",".join(include))] if include else []
        reply = self.client.read("tunnel_get", ("tunnels", tunnel_id), budget, query)
        return reply.one(TunnelDetails, leadgentools=reply.included.get("leadgentools"))

    def all_stats(self, *, budget: Budget) -> tuple[TunnelStats, ...]:
        """`GET tunnels/stats`."""
        return self.client.read("tunnels_stats", ("tunnels", "stats"), budget).many(TunnelStats)

    def stats(self, tunnel_id: str, *, budget: Budget) -> TunnelStats | None:
        """`GET tunnels/{tunnel_id}/stats`: its one row, None where there is none."""
        rows = self.client.read("tunnel_stats", ("tunnels", tunnel_id, "stats"), budget).many(TunnelStats)
        return rows[0] if rows else None

    def create_traffic_source(
        self, leadgentool_id: str, *, name: str, description: str | None = None, budget: Budget
    ) -> TrafficSource:
        """`POST leadgentools/{leadgentool_id}/create-traffic-source`."""
        path = ("leadgentools", leadgentool_id, "create-traffic-source")
        fields = {"name": name, "description": description}
        return self.client.send("traffic_source_create", "POST", path, fields, budget).one(TrafficSource)
