"""Predictions of a potential that mace-torch has trained; runs in the environment of that package.

``python peer_mace.py FOLDER FRAMES OUT KEY=VALUE…``: FOLDER is that of the training, KEY=VALUE… are the
options it was run with. The package writes a model only at the end of a training; what it keeps on the way
are weights. So its own program is run up to the point where training would begin, the network it has built
takes the newest weights (of stage two, where that was reached; they are those that were best on the
validation part, averaged), and predicts.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from ase.io import read
from mace import data, tools
from mace.cli import run_train
from mace.tools import torch_geometric

NAME = re.compile(r".*_epoch-(\d+)(_swa)?\.pt")


class Built(Exception):
    """The network that the package has built."""

    def __init__(self, model):
        super().__init__()
        self.model = model


def network(arguments: list[str]) -> torch.nn.Module:
    """Let the package build what it was told to train."""

    def caught(*, model, **_):
        raise Built(model)

    tools.train = caught
    try:
        run_train.run(tools.build_default_arg_parser().parse_args(arguments))
    except Built as built:
        return built.model
    raise RuntimeError("mace's program did not come to its training")


def newest(folder: Path) -> Path:
    """Weights to use: of the second stage if there are any, then of the last epoch."""
    found = [(m, p) for p in (folder / "checkpoints").glob("*.pt") if (m := NAME.fullmatch(p.name))]
    if not found:
        raise FileNotFoundError(f"no weights in {folder / 'checkpoints'}: no epoch was finished")
    return max(found, key=lambda f: (f[0][2] is not None, int(f[0][1])))[1]


def main() -> None:
    """Build, load, predict."""
    folder, frames, out, *arguments = sys.argv[1:]
    model = network(arguments)
    path = newest(Path(folder))
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=False)["model"])
    stress = "--compute_stress=True" in arguments
    images = read(frames, ":")
    table = tools.AtomicNumberTable([int(z) for z in model.atomic_numbers])
    configs = [data.config_from_atoms(image) for image in images]
    atoms = [data.AtomicData.from_config(c, z_table=table, cutoff=float(model.r_max)) for c in configs]
    loader = torch_geometric.dataloader.DataLoader(atoms, batch_size=10, shuffle=False)
    results = [model(batch.to_dict(), compute_stress=stress) for batch in loader]
    keys = ("energy", "forces", *(("stress",) if stress else ()))
    arrays = {k: np.concatenate([r[k].detach().double().numpy() for r in results]) for k in keys}
    about = {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "versions": {name: version(name) for name in ("mace-torch", "torch", "e3nn", "numpy")},
        "weights": path.name,
        "best_epoch": int(NAME.fullmatch(path.name)[1]) + 1,
    }
    np.savez(out, about=json.dumps(about), **arrays)


if __name__ == "__main__":
    main()
