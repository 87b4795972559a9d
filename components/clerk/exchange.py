"""One request and its whole answer, within bounds: what answers may be slow, endless, or not Clerk at all."""

from __future__ import annotations

import contextlib
import time
from typing import Final

import httpx

TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0, pool=5.0)
"""Seconds: 5 to connect, 30 between two reads or writes."""

WHOLE_ANSWER: Final = 60.0
"""Seconds after which an answer that still arrives is given up: between two reads it may be in time for ever."""

LARGEST_ANSWER: Final = 32 * 1024 * 1024
"""Bytes. 500 users with all their metadata, Clerk's largest page, are about 16 MiB."""


class AnswerTooLarge(httpx.RequestError):
    """An answer has more bytes than any of Clerk's."""


class AnswerEndless(httpx.ReadTimeout):
    """An answer has begun and does not end."""


def exchange(http: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Send a request and read its answer. Redirects are not followed.

    Raises httpx.RequestError, of which AnswerTooLarge and AnswerEndless are two.
    """
    begun = time.monotonic()
    body = bytearray()
    with contextlib.closing(http.send(request, stream=True)) as response:
        for part in response.iter_bytes():
            body += part
            if len(body) > LARGEST_ANSWER:
                raise AnswerTooLarge(f"more than {LARGEST_ANSWER // 1024 // 1024} MiB", request=request)
            if time.monotonic() - begun > WHOLE_ANSWER:
                raise AnswerEndless("the answer does not end", request=request)
    # It is decoded, which these headers would ask for once more.
    headers = [
        (name, value)
        for name, value in response.headers.raw
        if name.lower() not in (b"content-encoding", b"content-length", b"transfer-encoding")
    ]
    return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=request)
