"""Processes of functions share their layers: a copy for each would cost seconds and some 80 MB."""

from devstack.stack import Stack
from devstack.workdir import DEVELOPER
from quality.testkit.deployed import TESTS, Form, accepted, person


def test_each_layer_is_unpacked_once_for_all_processes(stack: Stack, form: Form) -> None:
    accepted(form.post(person()))
    workdir = next(workdir for workdir in (TESTS, DEVELOPER) if Stack.live(workdir) == stack)
    scratch = workdir.emulator / "tmp"
    packages = {file.relative_to(scratch).parts[0] for file in scratch.glob("*/python/leadbridge/__init__.py")}
    assert packages
    assert all(name.startswith("layer-") for name in packages)
    assert list(scratch.glob("ministack-lambda-*"))
    assert not list(scratch.glob("ministack-lambda-*/layer_*"))
