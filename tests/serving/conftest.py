"""The page without a network."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest

from twofold.serving.app import Broken, make_app
from twofold.serving.served import Served

pytest.importorskip("starlette", reason="the extra `serve` is not installed")


@pytest.fixture(scope="session")
def served(toy_run) -> Callable[[str], Served]:
    """An opened run by the name of its kind, each once."""
    made: dict[str, Served] = {}

    def make(name: str) -> Served:
        if name not in made:
            made[name] = Served(toy_run(name), "cpu")
        return made[name]

    return make


@pytest.fixture(scope="session")
def client_of() -> Callable[..., Any]:
    """A client of the page for some models, which asks under the name `localhost`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of starlette, about which client it is tested with
        from starlette.testclient import TestClient

    def make(*models: Served | Broken, **settings: Any) -> Any:
        app = make_app(models, ["localhost", "127.0.0.1"], **settings)
        return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)

    return make


@pytest.fixture(scope="session")
def ask(served, client_of) -> Callable[..., Any]:
    """Asks one model something; the answer is JSON, with its status where that is not 200."""

    def ask_(name: str, what: str, **fields: Any) -> dict[str, Any]:
        answer = client_of(served(name)).post(f"/api/{what}", json={"model": 0, **fields})
        status = {} if answer.status_code == 200 else {"status": answer.status_code}
        return answer.json() | status

    return ask_
