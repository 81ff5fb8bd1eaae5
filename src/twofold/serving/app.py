"""The page's files and its questions, as an ASGI application.

A question is `POST /api/NAME` with JSON; the answer is JSON, with `error` in words where there is
none.
"""

import asyncio
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from twofold.errors import RunError, TwofoldError, UsageError
from twofold.packages import require
from twofold.serving.guard import Guard
from twofold.serving.requests import Ask, Between, Generate, Picture, Read, parse
from twofold.serving.served import Served
from twofold.serving.worker import BusyError, Worker

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["EXTRA", "MOST_BYTES", "Broken", "make_app"]

EXTRA = "serve"
MOST_BYTES = 4 << 20  # of a request
PATIENCE = 20.0  # seconds in which a request has to be here
TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
}
QUESTIONS: dict[str, tuple[type[Ask], Callable[..., dict[str, Any]]]] = {
    "latents": (Ask, Served.latents),
    "map": (Ask, Served.map),
    "generate": (Generate, Served.generate),
    "picture": (Picture, Served.picture),
    "encode": (Read, Served.encode),
    "classify": (Read, Served.classify),
    "reconstruct": (Read, Served.reconstruct),
    "between": (Between, Served.between),
}


class Broken(NamedTuple):
    """A run that could not be opened: its name, and why."""

    name: str
    error: str


class RefusedError(TwofoldError):
    """A request that is refused before it is read."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def make_app(
    models: Sequence[Served | Broken],
    hosts: Sequence[str],
    token: str | None = None,
    worker: Worker | None = None,
) -> "Starlette":
    """The application.

    Arguments:
        models: The runs, in the page's order.
        hosts: Under which names it may be asked; `*` for any.
        token: What a visitor must know; None for nothing.
        worker: Who computes.

    Raises:
        UsageError: If starlette is not installed.
    """
    require("starlette", EXTRA)
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware
    from starlette.routing import Route

    page = _Page(models, worker or Worker())
    middleware = [
        Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
        Middleware(Guard, token=token),
    ]
    routes = [
        Route("/api/models", page.models, methods=["GET"]),
        Route("/api/{name}", page.ask, methods=["POST"]),
        Route("/{name}", page.file, methods=["GET"]),
        Route("/", page.file, methods=["GET"]),
    ]
    return Starlette(routes=routes, middleware=middleware, exception_handlers=_handlers())


class _Page:
    """What the routes lead to."""

    def __init__(self, models: Sequence[Served | Broken], worker: Worker) -> None:
        self.served, self.worker = models, worker
        folder = files("twofold.serving") / "page"
        self.files = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}

    async def file(self, request: "Request") -> "Response":
        from starlette.responses import Response

        name = request.path_params.get("name", "index.html")
        if name not in self.files:
            raise RefusedError("there is no such page", 404)
        kind = TYPES["." + name.rpartition(".")[2]]
        return Response(self.files[name], media_type=kind)

    async def models(self, _: "Request") -> "Response":
        from starlette.responses import JSONResponse

        return JSONResponse({"models": [_described(model) for model in self.served]})

    async def ask(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        name = request.path_params["name"]
        if name not in QUESTIONS:
            raise RefusedError(f"the page has no such question; it has {', '.join(QUESTIONS)}", 404)
        kind, answer = QUESTIONS[name]
        asked = parse(kind, await _body(request))
        if asked.model >= len(self.served):
            count = len(self.served)
            raise RefusedError(f"there is no model {asked.model}; there are {count}", 404)
        model = self.served[asked.model]
        if isinstance(model, Broken):
            raise RunError(model.error)
        return JSONResponse(await self.worker.do(answer, model, asked))


def _described(model: Served | Broken) -> dict[str, Any]:
    if isinstance(model, Broken):
        return {"title": model.name, "error": model.error}
    return {**model.about, "error": None}


async def _body(request: "Request") -> bytes:
    """The body, if it is not too large and comes in time."""
    too_large = RefusedError(f"the request is too large; at most {MOST_BYTES} bytes are read", 413)
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > MOST_BYTES:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    raise too_large
    except TimeoutError as error:
        raise RefusedError("the request did not come in time", 408) from error
    return b"".join(parts)


def _handlers() -> dict[Any, Any]:
    """Every error as a status and a sentence."""
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect
    from starlette.responses import JSONResponse, Response

    async def say(_: "Request", error: Exception) -> Response:
        known = (
            (RefusedError, None),
            (BusyError, 503),
            (UsageError, 400),
            (RunError, 409),
            (TwofoldError, 400),
        )
        status = next(status for kind, status in known if isinstance(error, kind))
        return JSONResponse({"error": str(error)}, status or getattr(error, "status", 400))

    async def say_http(_: "Request", error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)

    async def gone(_: "Request", __: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it

    async def defect(_: "Request", error: Exception) -> Response:
        return JSONResponse({"error": f"a defect of Twofold ({type(error).__name__})"}, 500)

    return {
        TwofoldError: say,
        HTTPException: say_http,
        ClientDisconnect: gone,
        Exception: defect,
    }
