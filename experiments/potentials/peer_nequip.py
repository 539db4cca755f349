"""Predictions of a potential that nequip has trained; runs in the environment of that package.

``python peer_nequip.py CHECKPOINT FRAMES OUT``: the averaged weights of the checkpoint predict.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version

import numpy as np
import torch
from ase.data import chemical_symbols
from ase.io import read
from nequip.data import AtomicDataDict, from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.model.saved_models import ModelFromCheckpoint
from nequip.utils.global_state import set_global_state


def main() -> None:
    """Load and predict."""
    checkpoint, frames, out = sys.argv[1:]
    set_global_state()
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    model = ModelFromCheckpoint(checkpoint)["sole_model"].eval()
    settings = saved["hyper_parameters"]["model"]
    images = read(frames, ":")
    names = settings["type_names"]
    mapper = ChemicalSpeciesToAtomTypeMapper(model_type_names=names)
    neighbours = NeighborListTransform(r_max=settings["r_max"])
    results = []
    for image in images:
        graph = AtomicDataDict.batched_from_list([neighbours(mapper(from_ase(image)))])
        results.append(model(graph))
    keys = {"energy": "total_energy", "forces": "forces", "stress": "stress"}
    keys = {k: v for k, v in keys.items() if v in results[0]}
    arrays = {k: np.concatenate([r[v].detach().double().numpy() for r in results]) for k, v in keys.items()}
    arrays["energy"] = arrays["energy"].reshape(-1)
    about = {
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "versions": {name: version(name) for name in ("nequip", "torch", "e3nn", "numpy")},
        "best_epoch": int(saved["epoch"]) + 1,
        "elements": [chemical_symbols.index(name) for name in names],
    }
    np.savez(out, about=json.dumps(about), **arrays)


if __name__ == "__main__":
    main()
