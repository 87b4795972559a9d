"""Faults that tests switch on: the next matching requests are answered wrongly on purpose.

Only present when LOCAL_CLERK_FAULTS=1. `POST /_local/faults` adds one, `DELETE /_local/faults` clears all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.clerk import errors

Kind = Literal["429", "500", "401", "timeout_after", "malformed", "truncated", "html"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Applies to `times` requests whose path starts with `path`; an empty method means any method.

    - `429`, with `Retry-After: retry_after` seconds; `500`; `401`: the request does not reach the API.
    - `timeout_after`: the API does its work, then no answer comes until the caller gives up.
    - `malformed`, `truncated`, `html`: the API does its work, then the answer is not JSON, ends in the
      middle, or is a web page with status 200.
    """

    kind: Kind
    method: str = ""
    path: str = "/v1/"
    times: int = 1
    retry_after: int = 1


class FaultSwitch:
    """ASGI layer that holds the pending faults and acts them out."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.pending: list[Fault] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif scope["path"] == "/_local/faults":
            await (await self._control(Request(scope, receive)))(scope, receive, send)
        elif fault := self._take(scope["method"], scope["path"]):
            await self._act(fault, scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _control(self, request: Request) -> Response:
        if request.method == "DELETE":
            self.pending.clear()
        elif request.method == "POST":
            try:
                fault = Fault(**await request.json())
            except (TypeError, ValueError):
                return JSONResponse({"fields": list(Fault.__dataclass_fields__)}, status_code=422)
            if fault.kind not in get_args(Kind):
                return JSONResponse({"kinds": get_args(Kind)}, status_code=422)
            self.pending.append(fault)
        return JSONResponse({"pending": [fault.__dict__ for fault in self.pending]})

    def _take(self, method: str, path: str) -> Fault | None:
        for position, fault in enumerate(self.pending):
            if fault.method in ("", method) and path.startswith(fault.path):
                if fault.times > 1:
                    self.pending[position] = replace(fault, times=fault.times - 1)
                else:
                    del self.pending[position]
                return fault
        return None

    async def _act(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.kind in ("429", "500", "401"):
            await _refusal(fault)(scope, receive, send)
            return
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        body = b"".join(message.get("body", b"") for message in messages)
        if fault.kind == "timeout_after":
            while (await receive())["type"] != "http.disconnect":
                pass
        elif fault.kind == "malformed":
            answer = Response(body.replace(b":", b"", 1), media_type="application/json")
            await answer(scope, receive, send)
        elif fault.kind == "html":
            await HTMLResponse("<html><body>502 Bad Gateway</body></html>")(scope, receive, send)
        else:
            # An answer that never completes: the server closes the connection early.
            await send(messages[0])
            half = body[: len(body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})


def _refusal(fault: Fault) -> Response:
    refusals = {"401": errors.key_invalid, "429": errors.too_many_requests, "500": errors.internal}
    refusal = refusals[fault.kind]()
    headers = {"Retry-After": str(fault.retry_after)} if fault.kind == "429" else None
    return JSONResponse(refusal.body(), status_code=refusal.status, headers=headers)
