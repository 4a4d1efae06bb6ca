"""AWS clients that are made once a process."""

from collections.abc import Callable
from functools import cache
from typing import Any

from botocore.handlers import add_recursion_detection_header
from botocore.session import get_session


def session_with_shared_clients() -> Any:
    """A session whose clients are made once: each takes longer than many tests."""
    session: Any = get_session()
    session.create_client = cache_by_config(session.create_client)
    return session


shared_session = cache(session_with_shared_clients)


def cache_by_config(create: Callable[..., Any]) -> Callable[..., Any]:
    """Return `create_client` with a memory for what it made."""
    made: dict[tuple[str, bool], Any] = {}

    def create_client(service: str, *, config: Any) -> Any:
        key = service, config.parameter_validation
        if key not in made:
            made[key] = create(service, config=config)
            # It reads the environment before each call, for a header that only matters to functions on Lambda.
            made[key].meta.events.unregister("before-call", add_recursion_detection_header)
        return made[key]

    return create_client
