"""ZenML's server as ``satsr dashboard`` starts it: for this computer alone, it changes nothing and asks nobody.

ZenML's server without a login does what any request says, whoever's page in the browser sends it. So requests to other
names than this computer's are refused (a page elsewhere may let its own name lead here), and so is all but reading. The
dashboard's form for a new account, with its newsletter, is answered for the user: filled in, no. The page may load and
ask this server only.
"""

import json
import os
import signal
import sys
import threading
from typing import Any

from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from zenml.zen_server.zen_server_api import app

NAMES = ["127.0.0.1", "localhost"]
READING = ("GET", "HEAD", "OPTIONS")
REFUSED = "This dashboard only shows: change and delete with ZenML's own commands (zenml pipeline runs --help)."
RUNS = "/projects/default/runs"
"""The page of the runs; ZenML's own first page is one of advice to buy."""
USER = "/api/v1/current-user"
POLICY = "; ".join(
    [
        *("default-src 'none'", "script-src 'self' 'unsafe-inline' 'unsafe-eval'", "style-src 'self' 'unsafe-inline'"),
        *("connect-src 'self'", "img-src 'self' data: blob:", "font-src 'self' data:", "worker-src 'self' blob:"),
        *("base-uri 'self'", "form-action 'self'", "frame-ancestors 'none'"),
    ]
)
ANSWERED = {"finished_onboarding_survey": True, "awareness_channels": ["other"]}


async def guarded(request: Request, call_next: Any) -> Response:
    """What the server says to a request that only reads."""
    if request.method not in READING:
        return JSONResponse({"detail": [REFUSED]}, 405)
    if request.url.path == "/":
        return RedirectResponse(RUNS)
    response = await call_next(request)
    if request.url.path == USER and response.status_code == 200:
        content = b"".join([part async for part in response.body_iterator])
        response = JSONResponse(answered(json.loads(content)))
    response.headers["content-security-policy"] = POLICY
    return response  # type: ignore[no-any-return]


def answered(user: dict[str, Any]) -> dict[str, Any]:
    """The user, with the dashboard's form for a new account filled in: no newsletter."""
    metadata = user.get("metadata") or {}
    known = {**metadata, "user_metadata": {**(metadata.get("user_metadata") or {}), **ANSWERED}}
    return {**user, "body": {**user["body"], "email_opted_in": False}, "metadata": known}


def _with_its_parent() -> None:
    """Ends the server when the command that started it is gone, however that ended: nobody holds its input then."""
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


app.middleware("http")(guarded)
app.add_middleware(TrustedHostMiddleware, allowed_hosts=NAMES)
threading.Thread(target=_with_its_parent, daemon=True).start()
