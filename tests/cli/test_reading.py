"""Columns and units explained on the command line."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.io import write

from atomscape.cli.output import sentence
from atomscape.cli.reading import reading


@pytest.fixture
def odd(here):
    """``odd.xyz``: an energy in a column of another name and another unit."""
    images = []
    for k in range(12):
        atoms = Atoms("CO", [[0, 0, 0], [0, 0, 1.1 + 0.01 * k]])
        atoms.info["my_value"] = 1000.0 + k
        images.append(atoms)
    write(here / "odd.xyz", images)
    return here / "odd.xyz"


def test_a_column_and_its_unit(run, odd, here):
    """Named and converted; the store that results holds eV."""
    status, out, _ = run("info", odd, "--key", "energy=my_value", "--unit", "energy=kcal/mol")
    assert status == 0
    assert "energy [eV] ← my_value (info), × 0.0433641" in out
    status, _, _ = run(
        "data", "convert", odd, "store", "--key", "energy=my_value", "--unit", "energy=kcal/mol"
    )
    assert status == 0
    from atomscape.data.store import Store

    assert Store.open(here / "store").values("energy")[0] == pytest.approx(43.3641, rel=1e-6)


def test_a_wrong_column_is_named(run, odd):
    """The columns that exist are listed."""
    status, _, err = run("info", odd, "--key", "energy=my_valu")
    assert status == 1
    assert "did you mean 'my_value'?" in err


def test_an_option_of_another_form():
    """LABEL=VALUE."""
    with pytest.raises(ValueError, match="--unit 'GPa' is not of the form"):
        reading(None, ["GPa"], None, False)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Say which: units={'stress': 'GPa'}, 'kbar'.", "Say which: --unit stress=GPa, 'kbar'."),
        ("keys={'stress': column}", "--key stress=column"),
        ("give overwrite=True", "give --overwrite"),
        (
            "units={'stress': unit} or stress='tension'|'compression'.",
            "--unit stress=unit or --stress tension or compression.",
        ),
    ],
)
def test_arguments_become_options(message, shown):
    """What a message calls an argument is an option here."""
    assert sentence(ValueError(message)) == shown
