"""Features of another package's network, computed on request: ``python worker.py FILE REQUESTS ANSWERS``.

FILE, such as ``mace_features.py``, has ``build(options)``, which returns a network; REQUESTS and ANSWERS are
descriptors of anonymous files (``protocol``). Requests:

    build       → what it is (``described()`` of the network), SHA-256 of the weights
    features    x → f(x)              x: edge vectors (``reading``); f: features of all layers side by side
    pull        x, g → Jᵀg            J = ∂f/∂x, the vector–Jacobian product of first derivatives
    pull_again  x, g, v → Jv, ∂(v·Jᵀg)/∂x   what the derivative of Jᵀg along v is made of

It ends with its input, that is with the process that started it.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
import warnings
from typing import Any

import numpy as np
import torch

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def main() -> None:
    """Answer until the input ends."""
    from protocol import Board, receive, send  # beside this file: a script finds its neighbours

    answers_pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the package prints is no answer
    warnings.simplefilter("ignore")
    file, requests, answers = sys.argv[1], Board(int(sys.argv[2])), Board(int(sys.argv[3]))
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))
    network: Any = None
    while (message := receive(sys.stdin, requests)) is not None:
        words, arrays = message
        try:
            if words["do"] == "build":
                network = runpy.run_path(file)["build"](words["options"])
                send(answers_pipe, answers, {}, **described(network))
            else:
                found = answer(network, words["do"], DTYPES[words["dtype"]], arrays)
                send(answers_pipe, answers, {k: v.detach().numpy() for k, v in found.items()})
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            send(answers_pipe, answers, {}, error=text, trace=traceback.format_exc())


def described(network: Any) -> dict[str, Any]:
    """What a network is, and which weights it has."""
    from weights import sha256

    return {"sha256": sha256(network.model), **network.described()}


def answer(
    network: Any, what: str, dtype: torch.dtype, arrays: dict[str, np.ndarray]
) -> dict[str, torch.Tensor]:
    """What is asked, of what the network reads; all that is not x, g or v are its indices."""
    network.to(dtype, torch.device("cpu"))
    t = {k: torch.from_numpy(a) for k, a in arrays.items()}
    x, *others = (t.pop(name).to(dtype) for name in "xgv" if name in t)
    if what == "features":
        with torch.no_grad():
            return {"f": side_by_side(network(x, t))}
    x, g = x.requires_grad_(), others[0].requires_grad_(what == "pull_again")
    f = side_by_side(network(x, t))
    (pulled,) = torch.autograd.grad(f, x, g, create_graph=what == "pull_again", materialize_grads=True)
    if what == "pull":
        return {"x": pulled}
    again = torch.autograd.grad(pulled, (g, x), others[1], materialize_grads=True)
    return {"g": again[0], "x": again[1]}


def side_by_side(layers: list[torch.Tensor]) -> torch.Tensor:
    """Features of all layers, ``[atoms, features]``."""
    return torch.cat(layers, dim=1)


if __name__ == "__main__":
    main()
