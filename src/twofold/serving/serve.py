"""`twofold serve`: a page for trained models."""

import ipaddress
import secrets
import socket
import sys
from collections.abc import Sequence

from twofold.errors import RunError, TwofoldError, UsageError
from twofold.experiments.context import Subject
from twofold.packages import require
from twofold.serving.app import EXTRA, Broken, make_app
from twofold.serving.served import Served
from twofold.serving.worker import Worker

__all__ = ["serve"]

LOCAL = ("localhost", "127.0.0.1", "[::1]")
CONNECTIONS = 64  # at a time


def serve(
    runs: Sequence[Subject],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    device: str = "auto",
) -> None:
    """Opens a page in the browser on which trained models can be explored.

    It can be reached from this machine alone; with another `host` from others as well, but only by
    the address that is printed, which holds a token. It ends with Ctrl-C.

    Arguments:
        runs: Runs or their folders, such as runs/cvae.
        host: The address of this machine under which it can be reached; 0.0.0.0 for all of them.
        port: Its port; 0 for any that is free.
        device: Where to compute: auto, cpu, cuda, cuda:1 or mps.

    Raises:
        UsageError: If the port is taken, or a package is missing.
        RunError: If none of the runs can be opened.

    Example:
        $ twofold serve runs/cvae runs/draw
    """
    uvicorn = require("uvicorn", EXTRA)
    if not 0 <= port <= 65535:
        raise UsageError(f"port={port}: expected a number from 0 to 65535")
    models = _opened(runs, device)
    listening = _listen(host, port)
    token = None if _is_local(host) else secrets.token_urlsafe(16)
    worker = Worker()
    app = make_app(models, _names(host), token, worker)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=1,
    )
    sys.stdout.write(f"{_address(host, listening.getsockname()[1], token)}\n")
    sys.stdout.flush()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        sys.stdout.write("closed\n")
    finally:
        worker.close()
        listening.close()


def _opened(runs: Sequence[Subject], device: str) -> list[Served | Broken]:
    """Each run, or why it cannot be opened: one that is damaged does not take the others down.

    Raises:
        RunError: If none can be.
    """
    models: list[Served | Broken] = []
    for run in runs:
        try:
            models.append(Served(run, device))
        except TwofoldError as error:
            models.append(Broken(str(getattr(run, "name", run)), str(error)))
    broken = [model for model in models if isinstance(model, Broken)]
    if len(broken) == len(models):
        raise RunError("\n".join(model.error for model in broken) or "name at least one run")
    for model in broken:
        sys.stderr.write(f"not opened: {model.error}\n")
    return models


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names(host: str) -> list[str]:
    """The names under which it may be asked: where it listens everywhere, the token must do."""
    if host in ("0.0.0.0", "::", ""):
        return ["*"]
    return [*LOCAL, f"[{host}]" if ":" in host else host]


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        UsageError: If the port is taken or may not be used, or there is no such host.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without delay (Nagle's 40 ms) only where a socket says that it is of TCP.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(CONNECTIONS)  # from now on, who comes early waits
    except OSError as error:
        listening.close()
        raise UsageError(
            f"cannot listen at {host}, port {port}: {error.strerror or error}; give another "
            "--port, or --port 0 for any that is free"
        ) from error
    return listening


def _address(host: str, port: int, token: str | None) -> str:
    if host in ("0.0.0.0", "::", ""):
        host = socket.gethostname()
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")
