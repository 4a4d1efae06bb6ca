"""Where functions are started from: what `sam build` made and what Lambda itself would bring."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from devstack.workdir import Workdir
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.runtime import Function, running

LAYERS = ("DependenciesLayer", "LeadbridgeLayer")

type Start = Callable[[str], AbstractContextManager[Function]]


@dataclass(frozen=True)
class Workshop:
    """The build, the folder with the runtime client, and the lock that whatever is started holds."""

    workdir: Workdir
    client: Path
    lock: int

    @property
    def layers(self) -> list[Path]:
        """The layers' roots on the import path."""
        return [self.workdir.build / layer / "python" for layer in LAYERS]

    def path(self, function: str) -> list[Path]:
        """All that a function can import from, its own code first."""
        return [self.workdir.build / function, *self.layers, self.client]

    def started(self, name: str, *, cloud: Cloud, logs: Path, handler: str) -> AbstractContextManager[Function]:
        """A function of the template by its logical id."""
        return running(
            name,
            path=self.path(name),
            handler=handler,
            environment=cloud.environment(name),
            log=logs / f"{name}.log",
            lock=self.lock,
        )
