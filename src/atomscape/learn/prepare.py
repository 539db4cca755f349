"""From a config to data ready for training: stores opened, splits resolved, labels checked, graphs built."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.data.files import Reading
from atomscape.data.leaks import Leak, contents, find_leaks
from atomscape.data.load import load
from atomscape.data.mixture import Mixture, mixture
from atomscape.data.store import Store
from atomscape.find import find
from atomscape.learn.config import RunConfig, Sampling
from atomscape.learn.evenly import evenly
from atomscape.learn.gathering import gathered
from atomscape.learn.graphs import GraphSet, with_labels_of
from atomscape.learn.labels.corrupt import Corruption, InTurn, corrupted
from atomscape.learn.labels.derive import derivable, kept_with, with_derived
from atomscape.learn.labels.derive_rule import Derive
from atomscape.learn.labels.inputs import inputs_of, read_by_heads, refuse_unknown_values
from atomscape.learn.labels.offer import absent, offered, other_meaning
from atomscape.learn.machines.ranks import ALONE, Ranks
from atomscape.learn.parts import PARTS, split_rows
from atomscape.shapes import Tensor

WITHOUT_LABEL = frozenset({"feature_decorrelation"})
"""What is learned from structures alone, whatever their labels."""

DRAWN = 2048
"""Structures of a dataset on which the scale of a label that corruptions make is measured."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """Data of a run. ``rows[dataset][part]`` are structure numbers in ``stores[dataset]``.

    ``properties`` are what is learned, ``inputs`` the labels that enter the encoder, ``reads`` those that
    enter heads where they are known.
    """

    stores: dict[str, Store]
    rows: dict[str, dict[str, np.ndarray]]
    properties: dict[str, Property]
    structures: dict[str, Structures]
    dataset: dict[str, Tensor]
    mixture: Mixture | None = None
    corruptions: dict[int, Corruption] = field(default_factory=dict)
    seed: int = 0
    inputs: dict[str, Property] = field(default_factory=dict)
    reads: dict[str, Property] = field(default_factory=dict)

    @cached_property
    def leaks(self) -> list[Leak]:
        """What parts have in common, also of different datasets; copies are told by their positions."""
        found = []
        for part in PARTS:
            s, owner = self.structures[part], self.dataset[part]
            for d, name in enumerate(self.stores):
                rows = (owner == d).nonzero().squeeze(1).numpy()
                found.append(contents(name if len(self.stores) > 1 else "", part, s, rows))
        return find_leaks(found)

    @property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 per dataset over its content and the split used."""
        prints = {}
        for name, store in self.stores.items():
            digest = hashlib.sha256(store.fingerprint.encode())
            for part in PARTS:
                rows = np.ascontiguousarray(self.rows[name][part], dtype="<i8")
                digest.update(len(rows).to_bytes(8, "little") + rows.tobytes())
            prints[name] = digest.hexdigest()
        return prints

    def made(self, name: str, dataset: int | None = None) -> Structures:
        """Training structures with a label that corruptions make, drawn once; some, where they are many.

        ``dataset`` None takes all datasets where it is made.
        """
        makers = {d: c for d, c in self.corruptions.items() if name in c.properties and dataset in (None, d)}
        train, owner = self.structures["train"], self.dataset["train"]
        rows = torch.cat([_some(owner, d) for d in makers])
        return corrupted(train[rows], owner[rows], rows, makers, {}, self.seed, 0)

    def labelled(self, name: str) -> Structures:
        """Training structures that have a label: as they are, or as corruptions make it."""
        return self.made(name) if self.makes(name) else self.structures["train"]

    def makes(self, name: str) -> bool:
        """Whether the label comes from corruptions."""
        return any(name in c.properties for c in self.corruptions.values())

    def holds(self, name: str, dataset: int | None) -> bool:
        """Whether a label is known of any training structure as it is drawn, or needs not be."""
        if name in WITHOUT_LABEL or self.makes(name):
            return True
        train, owner = self.structures["train"], self.dataset["train"]
        for d in owner.unique().tolist() if dataset is None else [dataset]:
            drawn = train[_some(owner, d)]
            if d in self.corruptions:
                drawn = self.corruptions[d](drawn, np.random.default_rng((self.seed, d)))
            if bool(drawn.labels[name].isfinite().any()):
                return True
        return False

    def graphs(self, part: str, cutoff: float, cache_bytes: float, ranks: Ranks = ALONE) -> GraphSet:
        """Neighbour graphs of one part; several processes count the edges together."""
        per_atom = _per_atom(self.reads | self.properties | self.inputs)
        s, owner = self.structures[part], self.dataset[part]
        return GraphSet(s, owner, per_atom, cutoff, cache_bytes, self.corruptions, self.seed, ranks)


def prepare(config: RunConfig, ranks: Ranks = ALONE) -> Prepared:
    """Open the data of a config and check that every objective has something to learn from.

    Raises
    ------
    ValueError
        A label no dataset has (with the nearest name), labels all NaN, or an empty part of a split.
    """
    stores = {d.name: load(d.source, Reading(**d.reading.model_dump())) for d in config.data}
    corruptions = {k: _corruption(d.corrupt) for k, d in enumerate(config.data) if d.corrupt}
    offers = [
        stores[d.name].properties | (corruptions[k].properties if k in corruptions else {})
        for k, d in enumerate(config.data)
    ]
    rules = [_derived(config, d.name, known) for d, known in zip(config.data, offers, strict=True)]
    properties = _properties(config, dict(zip(stores, offers, strict=True)), stores)
    inputs = inputs_of(config, dict(zip(stores, offers, strict=True)))
    reads = read_by_heads(config, stores)
    rows = {d.name: split_rows(d, stores[d.name]) for d in config.data}
    names = [d.name for d in config.data]
    made = {name for c in corruptions.values() for name in c.properties}
    labels = reads | inputs | properties
    wanted = [(_wanted(config, name) | set(inputs) | set(reads)) - made - WITHOUT_LABEL for name in names]
    corruptions = {k: _corruption(config.data[k].corrupt, rules[k], wanted[k]) for k in corruptions}

    def adapt(d: int, s: Structures) -> Structures:
        return with_labels_of(with_derived(s, rules[d]), labels, wanted[d])

    structures, dataset = {}, {}
    for part in PARTS:
        chosen = [(stores[name], rows[name][part]) for name in names]
        limit = config.training.memory_gigabytes * 1e9
        structures[part] = gathered(chosen, adapt, _per_atom(labels), limit, ranks)
        dataset[part] = torch.repeat_interleave(
            torch.arange(len(names)), torch.tensor([len(r) for _, r in chosen])
        )
        given = {name: p for name, p in inputs.items() if name not in made}
        refuse_unknown_values(given, structures[part], f"the {part} part")
    mixed = _mixture(config, dataset["train"].numpy())
    prepared = Prepared(
        stores, rows, properties, structures, dataset, mixed, corruptions, config.seed, inputs, reads
    )
    _check_labels(config, prepared)
    return prepared


def _corruption(asked: Any, rules: Mapping[str, Derive] | None = None, wanted: Set[str] = frozenset()) -> Any:
    """What a config does to structures; with a label that it keeps, it keeps what is made of that label."""
    if isinstance(asked, tuple):
        return InTurn(tuple(_corruption(one, rules, wanted) for one in asked))
    module, options = find("data.corruptions", asked.kind), asked.options
    if options.get("keep") and rules:
        options = options | {"keep": kept_with(options["keep"], rules, wanted)}
    return module.build(module.Config(**options))


def _derived(config: RunConfig, dataset: str, known: dict[str, Property]) -> dict[str, Derive]:
    """Rules for labels that the dataset can offer; they are added to what it offers."""
    rules: dict[str, Derive] = {}
    for o in config.objectives:
        found = derivable(o.property, o.derive, known) if o.dataset in ("all", dataset) else None
        if found is not None:
            known[o.property], rules[o.property] = found
    return rules


def _some(owner: Tensor, dataset: int) -> Tensor:
    """Rows of a dataset, of which there may be very many: at most ``DRAWN``, spread over all."""
    rows = (owner == dataset).nonzero().squeeze(1)
    return rows[evenly(len(rows), DRAWN)]


def _per_atom(properties: dict[str, Property]) -> frozenset[str]:
    return frozenset(n for n, p in properties.items() if p.per == "atom")


def _mixture(config: RunConfig, dataset: np.ndarray) -> Mixture | None:
    """How an epoch draws from the training part; None where it is one pass over all."""
    weights = {d.name: d.weight for d in config.data if d.weight is not None}
    if config.sampling is None and not weights:
        return None
    sampling = config.sampling or Sampling()
    members = {d.name: np.flatnonzero(dataset == k) for k, d in enumerate(config.data)}
    size = len(dataset) if sampling.draws is None else sampling.draws
    return mixture(members, size, config.seed, sampling.temperature, weights or None)


def _properties(
    config: RunConfig, offers: dict[str, dict[str, Property]], stores: dict[str, Store]
) -> dict[str, Property]:
    found: dict[str, Property] = {}
    for o in config.objectives:
        where = list(offers) if o.dataset == "all" else [o.dataset]
        if o.property in WITHOUT_LABEL:
            found[o.property] = PROPERTIES[o.property]
            continue
        if not any(o.property in offers[d] for d in where):
            raise ValueError(absent(o, where, offers, stores))
        for p in (offers[d][o.property] for d in where if o.property in offers[d]):
            if found.setdefault(o.property, p) != p:
                raise ValueError(other_meaning(found[o.property], p, offers, stores))
    return found


def _wanted(config: RunConfig, dataset: str) -> set[str]:
    return {o.property for o in config.objectives if o.dataset in ("all", dataset)}


def _check_labels(config: RunConfig, prepared: Prepared) -> None:
    names = [d.name for d in config.data]
    for o in config.objectives:
        for part in PARTS:
            if (
                known_values(
                    prepared, part, o.property, None if o.dataset == "all" else names.index(o.dataset)
                )
                == 0
            ):
                raise ValueError(
                    f"objective {o.property!r} on {o.dataset!r}: all labels of the {part} part are NaN: "
                    "there is nothing to learn or to measure. Choose another split, or leave it out\n"
                    + offered(prepared.stores, prepared.rows, only=[o.property])
                )
        d = None if o.dataset == "all" else names.index(o.dataset)
        if prepared.corruptions and not prepared.holds(o.property, d):
            raise ValueError(
                f"objective {o.property!r} on {o.dataset!r}: structures are changed as they are drawn, and "
                "no label of theirs holds for what they become. Change some only (corrupt: {…, share: 0.5}), "
                f"keep the label (corrupt: {{…, keep: [{o.property}]}}) where it hardly feels the change, or "
                "learn it from another dataset"
            )


def known_values(prepared: Prepared, part: str, name: str, dataset: int | None) -> int:
    """Number of structures or atoms with a known label; of what needs none or is made, all structures."""
    asked = [d for d, c in prepared.corruptions.items() if name in c.properties]
    asked = range(len(prepared.stores)) if name in WITHOUT_LABEL else asked
    if asked:
        owner = prepared.dataset[part]
        return sum(int((owner == d).sum()) for d in asked if dataset in (None, d))
    values = prepared.structures[part].labels.get(name)
    if values is None:
        return 0
    known = values.isfinite().flatten(1).all(1) if values.dim() > 1 else values.isfinite()
    if dataset is not None:
        mine = prepared.dataset[part] == dataset
        per_atom = prepared.properties[name].per == "atom"
        known = known & (mine[prepared.structures[part].structure] if per_atom else mine)
    return int(known.sum())
