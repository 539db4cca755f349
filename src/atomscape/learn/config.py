"""RunConfig: everything a training run depends on, as one strict pydantic model and one YAML file.

``RunConfig`` ↔ YAML is a plain dump and load: no code in a config, no interpolation, no hidden defaults. The
encoder and the heads are plug-ins; their fields are checked by the plug-in's own ``Config``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from atomscape.find import find, suggest
from atomscape.learn.fine_tuning.options import LowRank, StartFrom
from atomscape.learn.labels.derive_rule import Derive
from atomscape.learn.strict import Count, Strict, refuse_unknown
from atomscape.learn.weighting.options import Weighting

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_\-]+$")]


class PlugIn(BaseModel):
    """``kind`` names the plug-in; the other keys are the fields of that plug-in's own ``Config``."""

    model_config = ConfigDict(extra="allow", frozen=True)
    kind: str

    @property
    def options(self) -> dict[str, Any]:
        """Fields other than ``kind``."""
        return dict(self.model_extra or {})


class RandomSplit(Strict):
    """Random split; parts are fractions (< 1) or counts. ``test`` left out takes what remains."""

    kind: Literal["random"] = "random"
    train: float = Field(default=0.8, gt=0)
    val: float = Field(default=0.1, gt=0)
    test: float | None = Field(default=None, gt=0)
    seed: int = 0


class CompositionSplit(RandomSplit):
    """As a random split, but all structures of one reduced composition fall in the same part."""

    kind: Literal["composition"] = "composition"  # type: ignore[assignment]


class GroupSplit(RandomSplit):
    """As a random split, but no group is torn apart. ``by`` names what belongs together (``data/groups/``).

    ``stable``: the name of a group alone decides in which part it falls. Then the same substance is in the
    same part of every dataset, and stays there when a dataset grows; fractions are met on average only.
    """

    kind: Literal["group"] = "group"  # type: ignore[assignment]
    by: str
    stable: bool = False

    @field_validator("by")
    @classmethod
    def _known(cls, by: str) -> str:
        return _checked_grouping(by)


class StratifiedSplit(RandomSplit):
    """As a random split, but every part holds its share of each group of structures (``data/groups/``)."""

    kind: Literal["stratified"] = "stratified"  # type: ignore[assignment]
    by: str

    @field_validator("by")
    @classmethod
    def _known(cls, by: str) -> str:
        return _checked_grouping(by)


class FoldSplit(Strict):
    """One run of a cross-validation: fold ``fold`` tests, the fraction ``val`` of the rest validates."""

    kind: Literal["folds"] = "folds"
    folds: int = Field(default=5, ge=2)
    fold: int = Field(ge=0)
    val: float = Field(default=0.1, gt=0, lt=1)
    by: str | None = Field(default=None, description="groups that stay together, as in GroupSplit")
    seed: int = 0

    @field_validator("by")
    @classmethod
    def _known(cls, by: str | None) -> str | None:
        return None if by is None else _checked_grouping(by)


def _checked_grouping(by: str) -> str:
    return _checked_name("data.groups", by)


def _checked_name(kind: str, name: str) -> str:
    try:
        find(kind, name)
    except (LookupError, ImportError) as error:
        raise ValueError(str(error.args[0] if error.args else error)) from None
    return name


class FileSplit(Strict):
    """Split indices from a JSON file with ``splits: {train, val, test}``."""

    kind: Literal["file"] = "file"
    path: Path


class StoreSplit(Strict):
    """The split that the dataset itself carries."""

    kind: Literal["store"] = "store"


Split = Annotated[
    RandomSplit | CompositionSplit | GroupSplit | StratifiedSplit | FoldSplit | FileSplit | StoreSplit,
    Field(discriminator="kind"),
]
SPLIT_KINDS = ("random", "composition", "group", "stratified", "folds", "file", "store")


class FileReading(Strict):
    """How to read files whose labels are not clear by themselves; as in ``data.files.Reading``."""

    keys: dict[str, str] = Field(default={}, description="property → column")
    units: dict[str, str] = Field(default={}, description="property → unit in the file")
    stress: Literal["tension", "compression"] | None = Field(default=None, description="what is positive")
    skip_unreadable: bool = False


class Dataset(Strict):
    """One dataset. ``source`` is anything ``data.load`` takes; ``limit`` caps each part of the split.

    ``weight``: what share of the structures of an epoch is drawn from it, relative to the other datasets.
    """

    name: Name
    source: str
    reading: FileReading = FileReading()
    split: Split = RandomSplit()
    limit: Count | None = None
    weight: float | None = Field(default=None, gt=0)
    corrupt: PlugIn | tuple[PlugIn, ...] | None = Field(
        default=None, description="what is done to structures each time they are drawn (data/corruptions/)"
    )

    @field_validator("corrupt")
    @classmethod
    def _corruption_fields(cls, corrupt: PlugIn | tuple[PlugIn, ...] | None) -> Any:
        if isinstance(corrupt, tuple):
            return tuple(checked_plug_in("data.corruptions", one) for one in corrupt)
        return None if corrupt is None else checked_plug_in("data.corruptions", corrupt)


class Sampling(Strict):
    """How datasets are mixed. Without it (and without weights) an epoch is one pass over all structures.

    With it an epoch is a fixed number of ``draws``, of which a dataset of n structures gets a share
    ∝ n^(1/``temperature``), or by its ``weight``; each dataset is gone through pass after pass.
    """

    temperature: float | None = Field(default=None, gt=0, description="1: by size; large: all alike")
    draws: Count | None = Field(default=None, description="per epoch; left out: as many as train has")


class Objective(Strict):
    """One row of the dataset × property table: what is predicted by which head and how it is weighed.

    ``dataset`` is a dataset's name, or ``"all"``: one head shared by all datasets. A property that is a
    derivative of the energy (forces, stress) has no head of its own. Without ``head`` the one that fits the
    property is taken. References per element (E0) are fitted by least squares, taken from the data's free
    atoms (``references: isolated_atoms``) or given as ``{H: -13.6, …}``. Errors enter the loss divided by the
    property's scale on the training set (per atom where the property is extensive), so weights compare
    properties and not units: by the ``spread`` of the labels; of an energy whose forces are learned too, by
    the root mean square of the ``forces``, times 1 Å, where that is larger. Energies of frames of one system
    hardly differ, and measured by that little they would drown the forces. A head whose output is not
    compared number by number (classes, densities) brings a loss of its own; ``loss`` and ``scale`` are not
    used then.
    """

    property: str
    dataset: str = "all"
    head: PlugIn | None = None
    loss: Literal["mae", "mse", "huber"] = "mae"
    weight: float = Field(default=1.0, ge=0)
    scale: Annotated[float, Field(gt=0)] | Literal["spread", "forces"] | None = Field(
        default=None,
        description="what errors are divided by: spread, forces, or so much in the property's unit",
    )
    references: bool | Literal["isolated_atoms"] | dict[str, float] = Field(
        default=False, description="true: fit a value per element to intensive ones too; or where E0 is from"
    )
    derive: Derive | None = Field(
        default=None,
        description="where data lack the label: how it is made of another ({label: gap, at_most: 0})",
    )
    own_references: bool | Literal["bridge"] = Field(
        default=False, description="E0 of each dataset its own, under one head; or from what datasets share"
    )

    @model_validator(mode="after")
    def _scale_fits(self) -> Objective:
        if self.scale == "forces" and self.property != "energy":
            raise ValueError(
                f"scale: forces is for the energy, not for {self.property}; spread or a number would work"
            )
        return self

    @model_validator(mode="after")
    def _references_make_sense(self) -> Objective:
        if self.own_references and (self.dataset != "all" or isinstance(self.references, dict)):
            raise ValueError(
                "own_references are for one head of all datasets (dataset: all), fitted or of isolated_atoms"
            )
        if self.own_references == "bridge" and self.references == "isolated_atoms":
            raise ValueError(
                "own_references come from a bridge or from isolated_atoms; leave one of them out"
            )
        for symbol in self.references if isinstance(self.references, dict) else ():
            if symbol not in atomic_numbers:
                raise ValueError(f"references: no element {symbol!r}{suggest(symbol, list(atomic_numbers))}")
        return self


class Budget(Strict):
    """How large a batch may grow; the first limit that is reached counts."""

    structures: Count | None = 32
    atoms: Count | None = None
    edges: Count | None = None


class Training(Strict):
    """How to optimise: AdamW, linear warm-up, cosine to ~0, averaged weights (EMA) for evaluation."""

    epochs: Count = 100
    batch: Budget = Budget()
    accumulate: Count = Field(default=1, description="batches per step and process; as one large batch")
    learning_rate: float = Field(default=2e-3, gt=0)
    final_learning_rate: float = Field(default=1e-3, ge=0, le=1, description="as a fraction of learning_rate")
    warm_up: float = Field(default=0.02, ge=0, lt=1, description="fraction of all steps")
    weight_decay: float = Field(default=1e-4, ge=0)
    betas: tuple[float, float] = (0.9, 0.99)
    clip: float | None = Field(default=10.0, gt=0, description="largest gradient norm")
    weighting: Weighting = Weighting()
    freeze: tuple[str, ...] = Field(default=(), description="parts that stay as they are, by name or glob")
    learning_rates: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default={}, description="part, by name or glob → multiple of learning_rate; the last that fits counts"
    )
    lora: LowRank | None = Field(default=None, description="low-rank adapters in place of whole matrices")
    ema: float = Field(default=0.99, ge=0, lt=1, description="decay of the weight average; 0 switches it off")
    patience: Count | None = Field(default=None, description="evaluations without improvement")
    sharded: bool = Field(default=False, description="weights' moments spread over the processes (FSDP)")
    compile: bool = Field(default=False, description="torch.compile; not where forces or stress are learned")
    precision: Literal["no", "bf16", "fp16"] = "no"
    device: Literal["auto", "cpu"] = "auto"
    threads: Count = 1
    evaluate_every: Count = Field(default=1, description="epochs")
    checkpoint_every: Count = Field(default=1, description="epochs")
    checkpoint_seconds: float = Field(default=120.0, gt=0)
    cache_gigabytes: float = Field(default=0.0, ge=0, description="for neighbour graphs; beyond it, rebuilt")
    memory_gigabytes: float = Field(default=8.0, ge=0, description="per part; beyond it, mapped from disk")
    tensorboard: bool = Field(default=False, description="the same as trackers: [tensorboard]")
    trackers: tuple[str, ...] = Field(default=(), description="tensorboard, wandb, mlflow (learn/trackers/)")
    diagnostics: float = Field(default=0.02, ge=0, lt=1, description="share of the time; 0 switches them off")

    @field_validator("trackers")
    @classmethod
    def _trackers_exist(cls, trackers: tuple[str, ...]) -> tuple[str, ...]:
        for name in trackers:
            _checked_name("learn.trackers", name)
        return trackers

    @model_validator(mode="after")
    def _go_together(self) -> Training:
        if self.accumulate > 1 and self.weighting.kind == "gradient":
            raise ValueError("weighting: gradient measures on whole steps; accumulate has to be 1 with it")
        if self.sharded and (self.weighting.kind == "gradient" or self.lora is not None):
            raise ValueError(
                "sharded goes neither with weighting: gradient nor with lora: leave one of them out"
            )
        return self

    @field_validator("precision", mode="before")
    @classmethod
    def _no_is_a_word(cls, given: Any) -> Any:
        return "no" if given is False else given  # YAML reads a bare no as false


class RunConfig(Strict):
    """A training run. Two runs with equal configs on the same machine and data give the same weights."""

    name: Name = "run"
    seed: int = Field(default=0, ge=0)
    dtype: Literal["float32", "float64"] = "float32"
    data: tuple[Dataset, ...] = Field(min_length=1)
    encoder: PlugIn
    objectives: tuple[Objective, ...] = Field(min_length=1)
    sampling: Sampling | None = None
    training: Training = Training()
    start_from: StartFrom | None = None

    @field_validator("encoder")
    @classmethod
    def _encoder_fields(cls, encoder: PlugIn) -> PlugIn:
        return checked_plug_in("encoders", encoder)

    @field_validator("objectives")
    @classmethod
    def _head_fields(cls, objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
        return tuple(
            o if o.head is None else o.model_copy(update={"head": checked_plug_in("heads", o.head)})
            for o in objectives
        )

    @model_validator(mode="after")
    def _names_agree(self) -> RunConfig:
        names = [d.name for d in self.data]
        if len(set(names)) < len(names):
            raise ValueError(f"two datasets have the same name: {names}")
        if {"all", "shared"} & set(names):
            raise ValueError("a dataset cannot be called 'all' or 'shared': those mean every dataset")
        weighed = [d.name for d in self.data if d.weight is not None]
        if weighed and len(weighed) < len(names):
            raise ValueError(f"only {', '.join(weighed)} of {', '.join(names)} have a weight; give all one")
        if weighed and self.sampling is not None and self.sampling.temperature is not None:
            raise ValueError("datasets are sampled by weight or by temperature; leave one of them out")
        if self.training.lora is not None and self.start_from is None:
            raise ValueError("training.lora adapts a trained encoder: say which with start_from: RUN")
        rows = [(o.property, o.dataset) for o in self.objectives]
        if any(o.scale == "forces" for o in self.objectives) and "forces" not in dict(rows):
            raise ValueError(
                "scale: forces needs an objective of the forces; without, errors are divided by the spread"
            )
        for property, dataset in rows:
            if dataset != "all" and dataset not in names:
                raise ValueError(
                    f"objective {property!r}: no dataset called {dataset!r}{suggest(dataset, names)} "
                    f"Datasets: {', '.join(names)}, or all."
                )
            if rows.count((property, dataset)) > 1:
                raise ValueError(f"objective {property!r} on dataset {dataset!r} is given twice")
        return self


def checked_plug_in(kind: str, plug_in: PlugIn) -> PlugIn:
    """Check a plug-in's fields with its own ``Config`` and fill in the defaults.

    Raises
    ------
    ValueError
        No such plug-in, an unknown field, or a value of the wrong type.
    """
    try:
        config = find(kind, plug_in.kind).Config
    except AttributeError:
        raise ValueError(f"{plug_in.kind!r} is none of the {kind}: it has no Config") from None
    except (LookupError, ImportError) as error:
        raise ValueError(str(error.args[0] if error.args else error)) from None
    refuse_unknown(plug_in.options, list(config.model_fields))
    return PlugIn(kind=plug_in.kind, **config(**plug_in.options).model_dump(mode="json"))


def readable(error: ValidationError, what: str) -> str:
    """One line per fault of a pydantic error, with the path of the key as used in overrides.

    A list that is short only because its entries are at fault is not mentioned.
    """
    lines, faults = [], error.errors()
    paths = [f["loc"] for f in faults]
    for fault in faults:
        here = fault["loc"]
        if fault["type"] == "too_short" and any(p != here and p[: len(here)] == here for p in paths):
            continue
        path = ".".join(str(p) for p in fault["loc"] if p not in SPLIT_KINDS)
        says = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "tuple_type" and isinstance(fault["input"], str):
            says = f"a list is wanted, such as [{fault['input']}]"
        lines.append(f"  {path or 'config'}: {says}")
    return f"{what} is not a valid run:\n" + "\n".join(lines)
