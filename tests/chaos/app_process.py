"""One process of the app under fire: ``python -m tests.chaos.app_process``, told by a JSON line what it is.

The same wiring as ``serve`` and ``demo``; only here it may be pointed at the local portal from another process. Ends
with its standard input, so that nothing outlives whoever plays.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

from waitress import serve

from app import Config, Running, build
from smart_process.sync import worker as background

SWEEP_S = 5.0
"""A day is played in minutes: what dropped events left behind is swept up as often."""


def main() -> None:
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    config = Config(**{**given["config"], "keys": tuple(given["config"]["keys"])})
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    background.SWEEP_S = SWEEP_S
    if given["role"] == "everything":
        Running(config, "127.0.0.1", given["port"])
    else:
        built = build(config)
        if given["role"] == "worker":
            built.worker.start(built.service)
        else:
            _serve_beside(built.web, given["port"])
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os._exit(0)


def _serve_beside(web: Any, port: int) -> None:
    import threading

    threading.Thread(
        target=serve, args=(web,), kwargs={"host": "127.0.0.1", "port": port, "threads": 16}, daemon=True
    ).start()


if __name__ == "__main__":
    main()
