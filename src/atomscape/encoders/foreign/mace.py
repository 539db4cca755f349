"""Networks of the package mace-torch (Batatia et al. 2022, arXiv:2206.07697), frozen: features, not forces.

``file`` names a model that the package has saved, for instance a foundation model; without it the network is
of random weights and of the sizes below. Where the package is not installed beside ours,
``ATOMSCAPE_PEER_MACE`` names the interpreter of an environment that has it (``scripts/peers.py``). The file
is unpickled: use files that you trust.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from atomscape.nn.foreign import sizes
from atomscape.nn.foreign.encoder import ForeignEncoder
from atomscape.nn.foreign.encoder import absent as _absent

PACKAGE = "mace"


class Config(BaseModel):
    """Which network; sizes count where no file is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = Field(None, description="a model that mace-torch has saved")
    seed: sizes.Seed = 0
    elements: sizes.Elements = sizes.ALL
    l_max: int = Field(3, ge=0, description="largest degree of the filters")
    l_hidden: int = Field(1, ge=0, description="largest degree that goes from layer to layer")
    correlation: int = Field(3, ge=1, description="neighbours that a message sees at once")
    channels: sizes.Count = 64
    layers: sizes.Count = 2
    cutoff: sizes.Cutoff = 5.0
    n_radial: sizes.RadialFunctions = 8
    average_neighbours: sizes.Neighbours = 10.0


def absent() -> str:
    """Why its networks cannot be had; nothing if they can."""
    return _absent(PACKAGE)


def build(config: Config) -> ForeignEncoder:
    """Load or make the network.

    Raises
    ------
    LookupError
        The package is neither here nor in an environment that is known.
    """
    return ForeignEncoder(config, PACKAGE, "mace_features", config.model_dump(mode="json"))
