"""Who may ask: requests of the page itself, under a known name, and from afar only with a token.

A page of another site can make a browser send requests here, and a name that it controls can be
made to mean this machine; `Host` and `Origin` tell both.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Guard"]

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "object-src 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}

App = Callable[[Any, Any, Any], Awaitable[None]]


class Guard:
    """An ASGI application before another one, which refuses what does not come from the page.

    Arguments:
        app: The application.
        token: What must be in the first address, and in a cookie from then on; None for none.
    """

    def __init__(self, app: App, token: str | None = None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        from starlette.requests import Request
        from starlette.responses import JSONResponse, RedirectResponse

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                more = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        request, app = Request(scope), self.app
        cookie = f"twofold-{(scope.get('server') or ('', 0))[1]}"
        if not self._is_own(request):
            words = "this request comes from another site; open the page by its own address"
            app = JSONResponse({"error": words}, 403)
        elif self._fits(request.query_params.get("token")):
            app = RedirectResponse("/", 303)
            app.set_cookie(cookie, self.token or "", httponly=True, samesite="strict")
        elif self.token is not None and not self._fits(request.cookies.get(cookie)):
            words = "the address lacks its token; open the one that `twofold serve` has printed"
            app = JSONResponse({"error": words}, 401)
        await app(scope, receive, send_with_headers)

    def _fits(self, given: str | None) -> bool:
        if self.token is None or given is None:
            return False
        return secrets.compare_digest(given.encode(), self.token.encode())

    @staticmethod
    def _is_own(request: Any) -> bool:
        """Whether there is no `Origin`, or it is the address that was asked."""
        origins = request.headers.getlist("origin")
        host = request.headers.get("host", "").lower()
        return all(urlsplit(origin).netloc.lower() == host for origin in origins)
