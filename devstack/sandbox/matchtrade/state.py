"""The broker's state in memory."""

from devstack.sandbox.matchtrade.broker import Broker
from devstack.sandbox.matchtrade.changes import Pending
from devstack.sandbox.matchtrade.registry import Registry
from devstack.sandbox.matchtrade.tokens import Tokens
from devstack.sandbox.partner import Clock, Pace


class State:
    """`broker` are the settings that it starts with, and has again after a reset."""

    def __init__(self, clock: Clock, pace: Pace, broker: Broker) -> None:
        self.clock = clock
        self.accounts = Registry(clock, pace)
        self.tokens = Tokens(clock)
        self.pending = Pending(self.accounts)
        self._first = self.broker = broker

    def clear(self) -> None:
        self.accounts.clear()
        self.tokens.expire(refresh=True)
        self.pending.clear()
        self.broker = self._first
