"""Models in metatomic's format (Bigi et al. 2025, arXiv:2508.15704), frozen: features, not energies.

``file`` is an exported model, of metatrain for instance, with outputs for each atom; ``outputs`` names those
that are features. Each is a layer of the embedding. An output is of invariant scalars, or of spherical or
Cartesian components where its labels say so. Labels do not tell scalars that are not invariant, such as those
of PET: say ``invariant: false`` for them, or what follows will believe it.

The model computes in the precision that it was exported with. Where the packages metatomic-torch and
metatensor-torch are not installed beside ours, ``ATOMSCAPE_PEER_METATOMIC`` names the interpreter of an
environment that has them (``scripts/peers.py``). The file is a program: use files that you trust.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from atomscape.nn.foreign.encoder import ForeignEncoder
from atomscape.nn.foreign.encoder import absent as _absent

PACKAGE = "metatomic"


class Config(BaseModel):
    """Which model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = Field(description="an exported model, .pt")
    extensions: str | None = Field(None, description="folder of the libraries that were exported with it")
    outputs: tuple[str, ...] = Field(("feature",), min_length=1, description="those that are features")
    invariant: bool = Field(True, description="whether they turn as their labels say, scalars not at all")


def absent() -> str:
    """Why its models cannot be had; nothing if they can."""
    return _absent(PACKAGE)


def build(config: Config) -> ForeignEncoder:
    """Load the model.

    Raises
    ------
    LookupError
        The package is neither here nor in an environment that is known.
    """
    return ForeignEncoder(config, PACKAGE, "metatomic_features", config.model_dump(mode="json"))
