"""What runs in a peer's environment: ``python peer_process.py MODULE THREADS`` answers requests line by line.

MODULE, beside this file, has ``training(options)`` and ``dynamics(options)``, which return what to time, a
function of a number of steps, and what is to be told of it. What the package prints goes to the errors.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import warnings


def main() -> None:
    """Build on request, then run and time."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    module, threads = importlib.import_module(sys.argv[1]), int(sys.argv[2])
    import torch

    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    run = None
    for line in sys.stdin:
        request = json.loads(line)
        what = request.pop("do")
        if what == "turn":
            start = clock()
            run(request["calls"])
            answer = {"seconds": max(clock() - start, 1e-9) / request["calls"]}
        else:
            run, answer = getattr(module, what)(request)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
