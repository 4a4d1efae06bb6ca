"""Tunnels, their figures, the ways into them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasPath, Field

from leadbridge.partners.leeloo.reading import Count, Ids, Moment, Money, Named, Read, Text, rows_of


class Leadgentool(Named):
    """A lead generation tool: where people enter a tunnel."""

    type: Text = None


class Tunnel(Named):
    """A tunnel: a scripted conversation that sells something."""

    created_at: Moment = None
    updated_at: Moment = None
    leadgentool_ids: Ids = Field((), validation_alias=AliasPath("links", "leadgentools"))


class TunnelDetails(Tunnel):
    """A tunnel with what was asked to be included."""

    leadgentools: Annotated[tuple[Leadgentool, ...], rows_of(Leadgentool)] = ()


class TunnelStats(Read):
    """What became of people in one tunnel, or in all."""

    subscribers: Count = None
    uniq_subscribers: Count = None
    orders: Count = None
    sales: Count = None
    uniq_sales: Count = None
    visits: Count = None
    uniq_visits: Count = None
    shows: Count = None
    uniq_shows: Count = None
    total_sale: Money = None
    total_expenses: Money = None


class TrafficSource(Named):
    """A marked way into a tunnel."""

    type: Text = None
    description: Text = None
    leadgentool_id: Text = None
    tunnel_id: Text = None
    hash: Text = None
    created_at: Moment = None
    updated_at: Moment = None
