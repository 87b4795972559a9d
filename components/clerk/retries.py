"""When a call to Clerk is made again, and how long is waited before: told to the person who waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import tenacity

from .errors import ClerkError

Answer = TypeVar("Answer")

Notice = Callable[[str], None]
"""Takes a sentence for the person who waits."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How long a call may go on. Times in seconds.

    ``attempts`` counts the first one. ``longest_wait`` caps both our own growing waits and what a
    ``Retry-After`` asks for. No attempt starts later than ``total`` after the first one began.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 30.0
    total: float = 90.0

    def wait(self, attempt: int, retry_after: float | None) -> float:
        """How long after this attempt, counted from 1."""
        asked = self.first_wait * 2.0 ** (attempt - 1) if retry_after is None else retry_after
        return min(asked, self.longest_wait)


DEFAULT_POLICY: Final = RetryPolicy()


def persistently(
    call: Callable[[], Answer], *, repeatable: bool, policy: RetryPolicy, notice: Notice
) -> Answer:
    """Make a call, and make it again where that is safe and of use. Raises ClerkError, the last one.

    A refusal for the rate and a call that never arrived are always safe to repeat; any other passing fault
    only where a call is ``repeatable``.
    """

    def worth_another(error: BaseException) -> bool:
        return isinstance(error, ClerkError) and (
            error.status == 429 or error.nothing_sent or (repeatable and error.transient)
        )

    def wait(state: tenacity.RetryCallState) -> float:
        error = _error_of(state)
        return policy.wait(state.attempt_number, error.retry_after if error else None)

    def tell(state: tenacity.RetryCallState) -> None:
        error = _error_of(state)
        if error is None or state.next_action is None:
            return
        asked = "" if error.retry_after is None else f" (Clerk asked for {error.retry_after:g} s)"
        why = "limits the rate of calls" if error.status == 429 else f"failed: {error.message.rstrip('.')}"
        notice(
            f"Clerk, {error.request}: {why}; trying again in {state.next_action.sleep:.1f} s{asked}, "
            f"attempt {state.attempt_number + 1} of {policy.attempts}"
        )

    attempts = tenacity.Retrying(
        retry=tenacity.retry_if_exception(worth_another),
        stop=tenacity.stop_after_attempt(policy.attempts) | tenacity.stop_before_delay(policy.total),
        wait=wait,
        before_sleep=tell,
        reraise=True,
    )
    for attempt in attempts:
        with attempt:
            try:
                answer = call()
            except ClerkError as error:
                error.attempts = attempt.retry_state.attempt_number
                raise
    return answer


def _error_of(state: tenacity.RetryCallState) -> ClerkError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, ClerkError) else None
