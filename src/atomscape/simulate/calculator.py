"""Calculator: a trained model as ASE's calculator, for everything that ASE and what builds on it can do.

    atoms.calc = Calculator("runs/my-run")
    atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()        eV, eV/Å, eV/Å³ (Voigt)

Beside them ``results`` has what else the model predicts (dipole, charges, magnetic moments), and with
``uncertainty=True`` how sure it is (``simulate.trust``). Structures given are never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes

from atomscape.atoms.ase import RESULTS
from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.stresses import to_voigt
from atomscape.learn.evaluate import batches_in_order
from atomscape.shapes import Tensor
from atomscape.simulate.ensemble import EnsemblePotential, Runs, load_runs
from atomscape.simulate.potential import Potential
from atomscape.simulate.reading import structures_of
from atomscape.simulate.skin import SKIN, NeighbourSkin
from atomscape.simulate.trust import Trust, trust_of

BY_ATOM = ("energies", "forces", "charges", "magmoms", "forces_sigma", "atom_distance")
"""Results with one row per atom."""

SURE = ("energy_sigma", "forces_sigma", "distance", "atom_distance")
"""Results that say how sure the others are."""


class Calculator(AseCalculator):
    """ASE's calculator of a run, a model file or a model.

    Parameters
    ----------
    run_or_model
        A run's folder, ``best.safetensors`` of one, or a ``Model``; several of them, or an ``ensemble.json``:
        then results are means, and ``energy_sigma`` and ``forces_sigma`` the spread (``simulate.ensemble``).
    dataset
        Whose energy, where the model was trained on several datasets.
    dtype
        ``"float32"`` or ``"float64"`` (for finite differences); None: as it was trained.
    skin
        Å by which neighbours are searched further than needed, to serve again; results do not depend on it.
    tables
        Whether radial filters are tabulated: faster, energies per atom within 10⁻⁶ eV.
    uncertainty
        Whether every calculation says how sure it is; it needs ``atomscape uncertainty RUN`` before. Without
        it ``get_property("energy_sigma")`` and the like say so when asked.
    extrapolation
        ``"say"``: ``results["distance"]`` is above 1 where the model extrapolates; ``"refuse"``: an error.

    Raises
    ------
    ValueError
        No model there, one without energy, or no uncertainty where it is asked for.
    """

    def __init__(
        self,
        run_or_model: Runs,
        dataset: str | None = None,
        dtype: str | None = None,
        device: torch.device | str = "cpu",
        skin: float = SKIN,
        tables: bool = True,
        uncertainty: bool = False,
        extrapolation: str = "say",
    ) -> None:
        super().__init__()
        if extrapolation not in ("say", "refuse"):
            raise ValueError(f"extrapolation={extrapolation!r}; it can be 'say' or 'refuse'")
        self.potential = load_runs(run_or_model, dataset, dtype, device, tables)
        self.device, self.skin = torch.device(device), NeighbourSkin(self.potential.cutoff, skin)
        self.trust: Trust | None = trust_of(run_or_model, self.potential)
        self.extrapolation, self.spread = extrapolation, spread_of(self.potential)
        self.always_sure = extrapolation == "refuse" or (uncertainty and not self.spread)
        if self.always_sure and self.trust is None:
            raise ValueError(
                f"no uncertainty was fitted to {run_or_model}; make it: atomscape uncertainty RUN, and give "
                "the run's folder"
            )
        also = [RESULTS[name] for name in self.potential.properties if name in RESULTS]
        names = ["energy", "free_energy", "forces", "stress", "energies", *also]
        names += (*(SURE if self.trust is not None else ()), *self.spread)
        self.implemented_properties = list(dict.fromkeys(names))
        self._read: dict[str, Tensor] = {}

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What changed since the last calculation; labels that the network reads count too."""
        changes = super().check_state(atoms, tol)
        if not changes and self.potential.inputs:
            now = dict(structures_of([atoms], self.potential.inputs).labels)
            same = now.keys() == self._read.keys() and all(
                torch.equal(v, self._read[k]) for k, v in now.items()
            )
            return [] if same else ["info"]
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill ``results``; ASE calls this when a structure has changed."""
        super().calculate(atoms, list(properties), list(system_changes))
        if self.atoms is None:
            raise ValueError("nothing to calculate; give the structure: calculate(atoms)")
        s = structures_of([self.atoms], self.potential.inputs)
        self.potential.check(s)
        self._read = dict(s.labels)
        self.results |= self._results(self.skin.graph(s).to(self.device), set(properties))[0]

    def evaluate(
        self, images: Sequence[Atoms], properties: Sequence[str] = ("forces",)
    ) -> list[dict[str, Any]]:
        """Results of many structures, in batches: a dictionary each, as ``results`` of one alone."""
        found: list[dict[str, Any]] = []
        for span in batches_in_order([len(image) for image in images]):
            s = structures_of(images[span.start : span.stop], self.potential.inputs)
            self.potential.check(s)
            graph = neighbour_graph(s, self.potential.cutoff).to(self.device)
            found += self._results(graph, set(properties), span.start)
        return found

    def _results(self, graph: Graph, asked: set[str], first: int = 0) -> list[dict[str, Any]]:
        """Of every structure; forces and stress come in one pass, so both are always there."""
        s = graph.structures
        periodic = bool(s.pbc.all(1).any())
        predicted = self.potential(graph, ("forces", "stress") if periodic else ("forces",))
        values = {RESULTS[k]: v for k, v in predicted.items() if k in RESULTS}
        values |= {k: predicted[k] for k in self.spread}
        if "energies" in asked:
            values["energies"] = self.potential.energies(graph)
        if self.trust is not None and (self.always_sure or asked & set(SURE)):
            values |= self.trust(graph, forces="forces_sigma" in asked)
        unknown = sorted(asked & set(SURE) - values.keys())
        if unknown:
            raise ValueError(
                f"no uncertainty was fitted that knows {', '.join(unknown)}; make it: "
                "atomscape uncertainty RUN"
            )
        made, offsets = [], s.offsets.tolist()
        self._refuse_far(values, offsets, first)
        arrays = {name: v.detach().cpu().double().numpy() for name, v in values.items()}
        for k in range(len(s)):
            rows = {
                name: v[offsets[k] : offsets[k + 1]] if name in BY_ATOM else v[k]
                for name, v in arrays.items()
                if name != "stress" or bool(s.pbc[k].all())
            }
            made.append({name: _plain(name, np.asarray(v)) for name, v in rows.items()})
            made[-1]["free_energy"] = made[-1]["energy"]
        return made

    def _refuse_far(self, values: dict[str, Tensor], offsets: list[int], first: int) -> None:
        if self.extrapolation != "refuse" or "distance" not in values:
            return
        far = (values["distance"] > 1).nonzero().squeeze(1).tolist()
        if far:
            k = far[0]
            atom = int(values["atom_distance"][offsets[k] : offsets[k + 1]].argmax())
            raise ValueError(
                f"structure {first + k} is {float(values['distance'][k]):.2g} times as far as any that the "
                f"model was trained on, most so at atom {atom}; what it says of it is a guess. "
                "extrapolation='say' lets it pass"
            )


def spread_of(potential: Potential) -> tuple[str, ...]:
    """Results that say how far the members of an ensemble disagree; none of a single model."""
    return SURE[:2] if isinstance(potential, EnsemblePotential) else ()


def _plain(name: str, value: np.ndarray) -> Any:
    """As ASE has it: numbers as floats, stress as Voigt, arrays of their own."""
    if name == "stress":
        return to_voigt(value)
    return float(value) if value.ndim == 0 else value.copy()
