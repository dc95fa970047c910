import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client


@pytest.fixture(scope="session", autouse=True)
def chinese():
    """The compiled texts are as new as the written ones."""
    tool = Path(__file__).parents[2] / "tools" / "translations.py"
    subprocess.run([sys.executable, tool, "compile"], check=True)


@pytest.fixture(scope="session", autouse=True)
def hub_ends():
    """The hub's thread ends before the bus of the run does."""
    yield
    from fengsui.show.live import hub

    hub.stop()


@pytest.fixture
def world(db):
    from tests.show.world import World

    return World()


@pytest.fixture
def open_as():
    """``open_as(user, language)`` gives a client that is logged in; writes need the CSRF token as in a browser."""

    def make(user=None, language="zh-hans") -> Client:
        client = Client(headers={"accept-language": language})
        if user is not None:
            client.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[1])
        return client

    return make


@pytest.fixture
def golden():
    """``golden(name, text)`` compares with tests/show/<name>; GOLDEN=1 in the environment rewrites it."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / name
        if os.environ.get("GOLDEN"):
            path.write_text(text)
        assert path.exists(), f"{name} is new: make golden"
        assert text == path.read_text(), f"{name} changed: make golden, and look at the diff"

    return compare
