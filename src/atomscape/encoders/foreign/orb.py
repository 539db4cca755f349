"""Networks of the package orb-models (Rhodes et al. 2025, arXiv:2504.06231), frozen and NOT equivariant.

Its features are plain numbers that change when a structure is turned; turning was learned from turned data.
``equivariant`` of the encoder says so, as that of :mod:`~atomscape.encoders.attention` does.

``file`` holds the weights of one of the package's own models, and ``architecture`` is the name that the
package has for it; without a file the network is of random weights and of the sizes below. Where the package
is not installed beside ours, ``ATOMSCAPE_PEER_ORB`` names the interpreter of an environment that has it
(``scripts/peers.py``).

The cutoff is 6 Å. Models whose names have a 20 look at the 20 nearest neighbours of an atom, and jump where
two neighbours exchange the last place.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from atomscape.nn.foreign import sizes
from atomscape.nn.foreign.encoder import ForeignEncoder
from atomscape.nn.foreign.encoder import absent as _absent

PACKAGE = "orb"


class Config(BaseModel):
    """Which network; sizes count where no file is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str | None = Field(None, description="weights of one of the package's models")
    architecture: str = Field("orb-v3-conservative-inf-omat", description="which of them")
    charge: float = Field(0.0, description="e, of every structure; for models that were trained with charges")
    spin: float = Field(1.0, ge=0, description="multiplicity, likewise")
    neighbours: int | None = Field(None, ge=1, description="at most; as the architecture has it if not given")
    seed: sizes.Seed = 0
    channels: sizes.Count = 256
    hidden_channels: int = Field(1024, ge=1, description="inside of a layer")
    layers: sizes.Count = 5


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
    return ForeignEncoder(config, PACKAGE, "orb_features", config.model_dump(mode="json"))
