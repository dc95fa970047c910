"""Requests flat out over kept-alive HTTP connections: the next one goes when the last one got its yes."""

import http.client
import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from fengsui.run.benches.peers.bodies import Body
from fengsui.run.benches.peers.work import Work

CONNECTIONS = 8
TRY_AGAIN = (429, 500, 502, 503, 504)


@dataclass(slots=True)
class Posted:
    """``requests`` that got a yes between ``began`` and the last answer, on the monotonic clock."""

    requests: int = 0
    retries: int = 0
    last_turn: int = 0
    began: float = 0.0
    ended: float = 0.0
    errors: list[str] = field(default_factory=list)


def flat_out(
    work: Work,
    port: int,
    path: str,
    body: Body,
    seconds: float,
    headers: Callable[[int], Mapping[str, str]] = lambda site: {},
) -> Posted:
    """Post for ``seconds`` what comes after ``warm_up``; each connection owns some sites, so that the times of a
    site go forward.

    Raises RuntimeError when a request is refused for good or a connection breaks.
    """
    return _post(work, port, path, body, seconds, headers, range(1, 1 << 40))


def warm_up(
    work: Work,
    port: int,
    path: str,
    body: Body,
    headers: Callable[[int], Mapping[str, str]] = lambda site: {},
) -> Posted:
    """The first request of every site, outside the measurement: a peer meets each new series once in its life."""
    return _post(work, port, path, body, math.inf, headers, range(1))


def _post(
    work: Work,
    port: int,
    path: str,
    body: Body,
    seconds: float,
    headers: Callable[[int], Mapping[str, str]],
    turns: range,
) -> Posted:
    posted = Posted(began=time.monotonic())
    counting = threading.Lock()

    def send(first: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        done = retries = turn = 0
        try:
            for turn in turns:
                for site in range(first, work.sites, CONNECTIONS):
                    if time.monotonic() > posted.began + seconds or posted.errors:
                        return
                    content = body(site, turn)
                    while True:
                        connection.request("POST", path, content, dict(headers(site)))
                        answer = connection.getresponse()
                        said = answer.read()
                        if answer.status < 300:
                            done += 1
                            break
                        if answer.status not in TRY_AGAIN or time.monotonic() > posted.began + seconds:
                            raise RuntimeError(f"{answer.status} {said[:200]!r}")
                        retries += 1
                        time.sleep(0.05)
        except Exception as error:
            posted.errors.append(f"POST {path}: {error!r}")
        finally:
            connection.close()
            with counting:
                posted.requests += done
                posted.retries += retries
                posted.last_turn = max(posted.last_turn, turn)

    threads = [threading.Thread(target=send, args=(n,), daemon=True) for n in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    posted.ended = time.monotonic()
    if posted.errors:
        raise RuntimeError(posted.errors[0])
    return posted
