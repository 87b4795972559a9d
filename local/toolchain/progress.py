"""What a long step shows: on a terminal one live line, else a line now and then."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

LIVE_SECONDS = 0.5
PLAIN_SECONDS = 15.0
PLAIN_FIRST_SECONDS = 1.0
"""A step that is done sooner is not worth a line in a log."""


class Progress:
    """Shows the steps of a set-up on `stream`.

    `live` writes one line over and over; it defaults to whether the stream is a terminal.
    """

    def __init__(self, stream: TextIO | None = None, *, live: bool | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty() if live is None else live
        self._lock = threading.Lock()
        self._title = ""
        self._detail = ""
        self._begun = 0.0

    def say(self, line: str) -> None:
        """Print a line of its own."""
        with self._lock:
            self._write(f"{line}\n")

    def detail(self, text: str) -> None:
        """Say what the running step is at; shown beside its title until the next call."""
        self._detail = text.strip()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show that `title` is being done, with the seconds since its begin, until the block ends."""
        outer = (self._title, self._detail, self._begun)
        self._title, self._detail, self._begun = title, "", time.monotonic()
        ended = threading.Event()
        shower = threading.Thread(target=self._show_until, args=(ended,), daemon=True)
        shower.start()
        try:
            yield
        finally:
            ended.set()
            shower.join()
            if self._live:
                with self._lock:
                    self._write("")
            self._title, self._detail, self._begun = outer

    def _show_until(self, ended: threading.Event) -> None:
        wait = LIVE_SECONDS if self._live else PLAIN_FIRST_SECONDS
        while not ended.wait(wait):
            wait = LIVE_SECONDS if self._live else PLAIN_SECONDS
            seconds = int(time.monotonic() - self._begun)
            line = f"  {self._title} ... {seconds} s" + (f"  {self._detail}" if self._detail else "")
            with self._lock:
                if self._live:
                    self._write(line[: shutil.get_terminal_size().columns - 1])
                else:
                    self._write(f"{line[:160]}\n")

    def _write(self, text: str) -> None:
        # Carriage return and "erase to the end of the line" (ECMA-48), so a shorter line leaves no rest.
        self._stream.write(f"\r\x1b[K{text}" if self._live else text)
        self._stream.flush()
