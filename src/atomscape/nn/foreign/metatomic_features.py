"""Features of metatomic models, from our structures; needs metatomic-torch, and none of this package.

Such a model is given systems, positions in cells, with the neighbour lists that it asks for. The vectors of
these lists are our edge vectors, from first to second atom, and positions and cells stand beside them:
whichever the model computes with, derivatives follow.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

PAIR = ["first_atom", "second_atom", "cell_shift_a", "cell_shift_b", "cell_shift_c"]
"""Labels of a neighbour list."""

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def package(name: str) -> Any:
    """``metatomic`` or ``metatensor``; they make their names when they are imported."""
    return import_module(f"{name}.torch")


class Features:
    """A model, and those of its outputs that are features of atoms; each counts as a layer."""

    def __init__(self, file: str, extensions: str | None, outputs: list[str], invariant: bool) -> None:
        metatomic = package("metatomic")
        self.model: Any = metatomic.load_atomistic_model(file, extensions)
        self.digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
        self.invariant, self.outputs = invariant, outputs
        can = self.model.capabilities()
        self.elements, self.dtype = sorted(can.atomic_types), DTYPES[can.dtype]
        self.devices, self.lists = can.supported_devices, self.model.requested_neighbor_lists()
        _refuse(outputs, can.outputs, self.model.requested_inputs())
        asked = {name: metatomic.ModelOutput(sample_kind="atom") for name in outputs}
        self.asked = metatomic.ModelEvaluationOptions("angstrom", asked)
        self.cutoff = max((o.engine_cutoff("angstrom") for o in self.lists), default=1.0)
        tried = self._run(*_pair(self.elements[0], self.cutoff))
        self.irreps = [_irreps(found) if invariant else _plain(found) for found in tried]

    def described(self) -> dict[str, Any]:
        """What it is; the digest is that of the file, since weights need not be parameters."""
        return {
            "layers": self.irreps,
            "names": self.outputs,
            "cutoff": self.cutoff,
            "elements": self.elements,
            "symmetry": "O(3)" if self.invariant else "none",
            "reads": "structures",
            "axes": "z",
            "sha256": self.digest,
        }

    def to(self, dtype: torch.dtype, device: torch.device) -> None:
        """Compute there. Precision is what the model was exported with."""
        if device.type not in self.devices:
            raise ValueError(f"the model was exported for {', '.join(self.devices)}, not for {device.type}")
        self.model.to(device)

    def __call__(self, x: torch.Tensor, graph: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Features of all atoms, each output ``[atoms, features]``."""
        return [_rows(found, graph["structure"]).to(x.dtype) for found in self._run(x, graph)]

    def _run(self, x: torch.Tensor, graph: dict[str, torch.Tensor]) -> list[Any]:
        systems = _systems(x.to(self.dtype), graph, self.lists)
        found = self.model(systems, self.asked, check_consistency=False)
        return [found[name] for name in self.outputs]


def _refuse(outputs: list[str], known: dict[str, Any], inputs: dict[str, Any]) -> None:
    """Say what a model lacks, or wants that we do not have."""
    strange = [name for name in outputs if name not in known]
    if strange:
        raise ValueError(
            f"the model has no output {strange[0]!r} (encoder.outputs); it has {', '.join(sorted(known))}"
        )
    whole = [name for name in outputs if known[name].sample_kind != "atom"]
    if whole:
        raise ValueError(f"output {whole[0]!r} is of each {known[whole[0]].sample_kind}, not of each atom")
    if inputs:
        raise ValueError(f"the model wants to know {', '.join(sorted(inputs))} of a structure, besides atoms")


def _pair(element: int, cutoff: float) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Two atoms that see each other, to find out what comes of them."""
    r = torch.tensor([0.5 * cutoff, 0.0, 0.0])
    x = torch.stack([r, -r, torch.zeros(3), r, *torch.zeros(3, 3)])
    ends = torch.tensor([0, 1])
    graph = {"numbers": torch.tensor([element] * 2), "centre": ends, "neighbour": ends.flip(0)}
    none = {"shift": torch.zeros(2, 3, dtype=torch.int64), "pbc": torch.zeros(1, 3, dtype=torch.bool)}
    return x, {**graph, **none, "structure": torch.tensor([0, 0])}


def _systems(x: torch.Tensor, graph: dict[str, torch.Tensor], lists: list[Any]) -> list[Any]:
    """One for each structure that has atoms, with the neighbour lists that are asked for."""
    centre, structure, shift = graph["centre"], graph["structure"], graph["shift"]
    vectors, positions, cells = x.split([len(centre), len(structure), 3 * len(graph["pbc"])])
    cells = cells.view(-1, 3, 3) * graph["pbc"].unsqueeze(2)
    pairs = torch.cat([torch.stack([centre, graph["neighbour"]], 1), shift], 1).to(torch.int32)
    systems, metatomic = [], package("metatomic")
    for s in structure.unique().tolist():
        atoms, edges = (structure == s).nonzero()[:, 0], (structure[centre] == s).nonzero()[:, 0]
        numbers = graph["numbers"][atoms].to(torch.int32)
        system = metatomic.System(numbers, positions[atoms], cells[s], graph["pbc"][s])
        own = pairs[edges]
        own[:, :2] -= atoms[0].to(torch.int32)
        for options in lists:
            system.add_neighbor_list(options, _neighbours(vectors[edges], own, options))
        systems.append(system)
    return systems


def _neighbours(r: torch.Tensor, pairs: torch.Tensor, options: Any) -> Any:
    """The list that these options ask for, of all edges; half a list has every pair once."""
    kept = r.detach().square().sum(1) <= options.engine_cutoff("angstrom") ** 2
    if not options.full_list:
        a, b, *shift = pairs.unbind(1)
        first = a < b
        same = a == b
        for step in shift:
            first, same = first | (same & (step > 0)), same & (step == 0)
        kept = kept & first
    metatensor = package("metatensor")
    return metatensor.TensorBlock(
        values=r[kept].unsqueeze(2),
        samples=metatensor.Labels(PAIR, pairs[kept], assume_unique=True),
        components=[metatensor.Labels.range("xyz", 3).to(r.device)],
        properties=metatensor.Labels.range("distance", 1).to(r.device),
    )


def _blocks(found: Any) -> list[tuple[int, int, Any]]:
    """Degree, parity and values of an output's blocks.

    Blocks without components are scalars. Those with one are spherical, as ``o3_lambda`` and ``o3_sigma`` of
    their keys say, or vectors with components x, y and z.
    """
    names, blocks = found.keys.names, []
    for key, block in zip(found.keys, found.blocks(), strict=True):
        axes = [c.names[0] for c in block.components]
        if axes == []:
            blocks.append((0, 1, block))
        elif axes == ["xyz"]:
            blocks.append((1, -1, block))
        elif axes == ["o3_mu"] and "o3_lambda" in names and "o3_sigma" in names:
            l = int(key["o3_lambda"])
            blocks.append((l, int(key["o3_sigma"]) * (-1) ** l, block))
        else:
            raise ValueError(f"features with components {axes} and keys {names} have no place among irreps")
    return blocks


def _irreps(found: Any) -> str:
    """What an output consists of."""
    return "+".join(f"{len(b.properties)}x{l}{'e' if p > 0 else 'o'}" for l, p, b in _blocks(found))


def _plain(found: Any) -> str:
    """As many numbers, of which nothing is known."""
    return f"{sum(block.values[0].numel() for _, _, block in _blocks(found))}x0e"


def _rows(found: Any, structure: torch.Tensor) -> torch.Tensor:
    """Blocks side by side, ``[atoms, features]``, each channel by channel."""
    first = torch.searchsorted(structure, structure.unique())
    parts = []
    for _, _, block in _blocks(found):
        if len(block.samples) != len(structure):
            raise ValueError(
                f"the model gives features of {len(block.samples)} of {len(structure)} atoms; keys such as "
                f"{found.keys.names} that tell atoms apart are not understood"
            )
        values = block.values
        if [c.names[0] for c in block.components] == ["xyz"]:
            values = values[:, [1, 2, 0]]
        system, atom = block.samples.column("system").long(), block.samples.column("atom").long()
        order = torch.argsort(first[system] + atom)
        parts.append(values[order].movedim(-1, 1).flatten(1))
    return torch.cat(parts, 1)


def build(options: dict[str, Any]) -> Features:
    """From an exported model, ``options["file"]``."""
    return Features(options["file"], options["extensions"], list(options["outputs"]), options["invariant"])
