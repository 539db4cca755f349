"""A network of another package as an encoder: frozen features, in our layout, differentiable by positions.

It runs here where its package can be imported, else in a process of its own (``apart``), the same features
either way. Its weights stay in its own file; a model that is built on it keeps their SHA-256, and refuses
others. The embedding holds what all layers have, blocks of one kind side by side.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.nn.embedding import Embedding
from atomscape.nn.foreign.apart import features, worker
from atomscape.nn.foreign.interpreter import MODULES, missing
from atomscape.nn.foreign.layout import blocks_of, joined
from atomscape.nn.foreign.reading import indices, rows
from atomscape.nn.foreign.weights import sha256
from atomscape.o3.irreps import Irreps
from atomscape.shapes import Float, Tensor


def absent(package: str) -> str:
    """Why a package's networks cannot be had, neither here nor apart; nothing if they can."""
    return "" if importable(package) else missing(package)


def importable(package: str) -> bool:
    """Whether it is installed here; a folder that happens to have its name is no package."""
    try:
        spec = importlib.util.find_spec(MODULES[package])
    except ModuleNotFoundError:  # not even what it is a part of
        return False
    return spec is not None and spec.origin is not None


@contextlib.contextmanager
def _torch_left_alone() -> Iterator[None]:
    """Packages seed torch and set its default precision; what is built afterwards must not depend on it.

    What they warn of is for those who write them, as in a process of their own.
    """
    dtype = torch.get_default_dtype()
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(dtype)


class ForeignEncoder(nn.Module):
    """The encoder; ``module`` is the file of this folder that knows the package.

    Raises
    ------
    LookupError
        The package is neither here nor in an environment that is known.
    FileNotFoundError
        The file of the network is not where the config says.
    """

    def __init__(self, config: Any, package: str, module: str, options: dict[str, Any]) -> None:
        super().__init__()
        self.config, self.package, self._module, self._options = config, package, module, options
        reason = absent(package)
        if reason:
            raise LookupError(reason)
        file = options.get("file")
        if file and not Path(file).is_file():
            raise FileNotFoundError(
                f"no file {file} (encoder.file), seen from {Path.cwd()}; its network is needed, also for a "
                "model that was trained on it"
            )
        self._here = None
        if importable(package):
            with _torch_left_alone():
                self._here = importlib.import_module(f"atomscape.nn.foreign.{module}").build(options)
            about = {"sha256": sha256(self._here.model), **self._here.described()}
        else:
            about = self._apart().about
        self.cutoff, self.irreps_of_layers = float(about["cutoff"]), list(about["layers"])
        self.elements, self.symmetry = tuple(about["elements"]), about.get("symmetry", "O(3)")
        self.equivariant, self._reads = self.symmetry != "none", about.get("reads", "edges")
        self._turned = about.get("axes", "y") == "y"
        depth = range(1, len(self.irreps_of_layers))
        self._names = list(about.get("names", ["species", *(f"layer {n}" for n in depth)]))
        self.precision: Tensor
        self.register_buffer("precision", torch.empty(0))
        self.register_buffer("weights_sha256", torch.tensor(list(bytes.fromhex(about["sha256"]))))
        self.register_load_state_dict_post_hook(_refuse_other_weights(about["sha256"]))

    @property
    def _width(self) -> int:
        return sum(Irreps(irreps).dim for irreps in self.irreps_of_layers)

    def _apart(self) -> Any:
        return worker(self.package, Path(__file__).with_name(f"{self._module}.py"), self._options)

    @property
    def irreps(self) -> Irreps:
        """Content of the embedding."""
        return Embedding(joined(self._blocks(torch.zeros(0, self._width)))).irreps

    def forward(self, graph: Graph, layers: bool = False) -> Embedding:
        """Embed the atoms of a graph; with ``layers`` the embedding after every layer comes along.

        Raises
        ------
        ValueError
            The network knows nothing of an element.
        """
        numbers = graph.structures.numbers
        self._refuse_strangers(numbers)
        blocks = self._blocks(self._row(graph))
        seen = [Embedding(joined(blocks[: n + 1]), name) for n, name in enumerate(self._names)]
        return Embedding(seen[-1].blocks, seen[-1].layer, tuple(seen) if layers else ())

    def _row(self, graph: Graph) -> Float[Tensor, "atoms features"]:
        x, dtype = rows(graph, self._reads), self.precision.dtype
        if not graph.n_atoms:
            return x.to(dtype).sum() * self.precision.new_zeros(0, self._width)
        given = indices(graph, self._reads)
        if self._here is None:
            return features(self._apart(), x, given, dtype)
        self._here.to(dtype, x.device)
        return torch.cat(self._here(x.to(dtype), given), 1)

    def _blocks(self, row: Float[Tensor, "atoms features"]) -> list[dict[tuple[int, int], Tensor]]:
        sizes = [Irreps(irreps).dim for irreps in self.irreps_of_layers]
        parts = zip(row.split(sizes, 1), self.irreps_of_layers, strict=True)
        blocks = [blocks_of(part, irreps, self._turned) for part, irreps in parts]
        if self.symmetry != "SO(3)":
            return blocks
        return [{(l, 0): block for (l, _), block in layer.items()} for layer in blocks]

    def _refuse_strangers(self, numbers: Tensor) -> None:
        strangers = sorted(set(numbers.unique().tolist()) - set(self.elements))
        if strangers:
            names = ", ".join(chemical_symbols[z] for z in strangers)
            known = ", ".join(chemical_symbols[z] for z in self.elements)
            raise ValueError(f"{self.package}'s network knows nothing of {names}; its elements are {known}")


def _refuse_other_weights(sha256: str) -> Any:
    """A hook that compares what a model was made with."""

    def check(module: nn.Module, _: Any) -> None:
        saved = bytes(module.get_buffer("weights_sha256").tolist()).hex()
        if saved != sha256:
            raise ValueError(
                f"the model was made with weights {saved[:12]}… of the foreign network; those of the file "
                f"that it names are {sha256[:12]}…"
            )

    return check
