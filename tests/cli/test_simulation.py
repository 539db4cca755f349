"""Commands of simulation on a small potential: they run, write, resume, and say what is wrong."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.io import read, write

from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.data.card import PropertyRecord
from atomscape.learn.architecture import Architecture, HeadRecord
from atomscape.learn.checkpoint import load_model, save_model
from atomscape.learn.config import PlugIn
from atomscape.learn.model import Model
from atomscape.learn.uncertainty.last_layers import derivative_features, features_of
from atomscape.simulate.calculator import Calculator


def copper(a: float, shake: float, rng: np.random.Generator):
    atoms = bulk("Cu", cubic=True, a=a)
    strain = np.eye(3) + shake * rng.normal(size=(3, 3)) / 2
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    atoms.rattle(shake, rng=rng)
    return atoms


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Folder of a model of copper: random features, last weights fitted to effective medium theory."""
    rng = np.random.default_rng(0)
    images = [copper(a, 0.04, rng) for a in np.linspace(3.3, 4.0, 16)]
    for atoms in images:
        atoms.calc = EMT()
        atoms.get_forces()
    s = from_ase(images)
    encoder = {"kind": "schnet", "channels": 16, "layers": 1, "cutoff": 4.5, "n_radial": 16}
    energy = PropertyRecord.of(PROPERTIES["energy"])
    head = HeadRecord(dataset="shared", predicts=energy, head=PlugIn(kind="scalar", hidden=48))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model(Architecture(encoder=PlugIn.model_validate(encoder), heads=(head,), datasets=("a",)))
    graph, index = neighbour_graph(s, model.cutoff), torch.zeros(len(s), dtype=torch.int64)
    by_energy = features_of(model, model.encoder(graph), graph, index)[0].features[:, 0]
    by_force = derivative_features(model, graph, index, ("forces",))[0].features.flatten(0, 1)
    rows = torch.cat([by_energy, by_force]).double().detach()
    labels = torch.cat([s.labels["energy"], s.labels["forces"].flatten()])
    ridge = 1e-3 * torch.eye(rows.shape[1], dtype=torch.float64)
    weights = torch.linalg.solve(rows.T @ rows + ridge**2, rows.T @ labels)
    last = model.heads["shared:energy"].net[2]
    with torch.no_grad():
        last.weight.copy_(weights[:-1])
        last.bias.copy_(weights[-1])
    folder = tmp_path_factory.mktemp("simulation")
    save_model(model, folder / "best.safetensors", elements=["Cu"])
    return folder


@pytest.fixture
def crystal(here):
    """``crystal.xyz``: copper, a little off its minimum, and a second one with an atom that is held."""
    from ase.constraints import FixAtoms

    rng = np.random.default_rng(3)
    images = [copper(3.62, 0.03, rng), copper(3.55, 0.05, rng)]
    images[0].info["id"] = "first"
    images[1].set_constraint(FixAtoms([0]))
    write(here / "crystal.xyz", images)
    return here / "crystal.xyz"


@pytest.mark.filterwarnings(r"ignore:.*torch\.jit:DeprecationWarning")
def test_export(run, trained, crystal, here):
    theirs = pytest.importorskip("metatomic_ase", reason="metatomic-torch is not installed")
    status, out, err = run("export", trained, "--out", "cu.pt", "--author", "me")
    assert (status, err) == (0, "")
    assert "schnet of Cu" in out
    assert " 0 parameters" not in out
    assert "range 4.5 Å" in out
    atoms = read(crystal, 0)
    other = atoms.copy()
    atoms.calc, other.calc = Calculator(trained), theirs.MetatomicCalculator("cu.pt")
    np.testing.assert_allclose(other.get_forces(), atoms.get_forces(), atol=1e-5)
    assert "cu.pt exists" in run("export", trained, "--out", "cu.pt")[2]
    assert ".pt" in run("export", trained, "--out", "cu.model")[2]
    assert "joins several runs" in run("export", "ensemble.json", "--out", "two.pt")[2]


def test_relax(run, trained, crystal, here):
    options = ("--cell", "free", "--fmax", "0.01", "--trajectory", "--json", "out/r.json")
    status, out, err = run("relax", trained, crystal, *options, "--out", "out/r.xyz")
    assert (status, err) == (0, "")
    assert "2 of 2 at rest" in out
    frames, rows = read(here / "out/r.xyz", ":"), json.loads((here / "out/r.json").read_text())["structures"]
    assert [row["converged"] for row in rows] == [True, True]
    assert np.abs(frames[0].get_stress()).max() < 4e-4
    assert abs(frames[0].cell.volume / frames[1].cell.volume - 1) < 0.02
    assert len(frames[1].constraints) == 1
    assert [frame.info.get("id") for frame in frames] == ["first", None]
    steps = read(here / "out/r-steps.xyz", ":")
    assert len(steps) == sum(row["steps"] + 1 for row in rows)
    status, _, err = run("relax", trained, crystal, "--json", "out/r.json", "--out", "new.xyz")
    assert "out/r.json exists" in err
    whole = (here / "out/r.xyz").read_bytes()
    (here / "out/r.xyz").write_bytes(whole[:-20])  # killed while it wrote the second
    again = ("--resume", "--batch", "1", "--out", "out/r.xyz")
    assert run("relax", trained, crystal, *options, *again)[0] == 0
    again = read(here / "out/r.xyz", ":")
    np.testing.assert_allclose(again[1].positions, frames[1].positions, atol=1e-3)
    assert len(again) == 2
    of = lambda frames: sorted((frame.info["structure"], frame.info["step"]) for frame in frames)  # noqa: E731
    assert of(read(here / "out/r-steps.xyz", ":")) == of(steps)  # none is there twice
    told = json.loads((here / "out/r.json").read_text())["structures"]
    assert [row["structure"] for row in told] == [0, 1]
    for name, value in rows[0].items():
        expected = value if isinstance(value, str | int) else pytest.approx(value, abs=1e-6)
        assert told[0][name] == expected, name
    assert "the cell is fixed" in run("relax", trained, crystal, "--pressure", "1", "--out", "p.xyz")[2]
    assert run("relax", trained, crystal, "--out", "out/r.xyz")[0] == 1
    status, out, _ = run("relax", trained, crystal, "--out", "out/r.xyz", "--resume")
    assert (status, len(read(here / "out/r.xyz", ":"))) == (0, 2)
    status, out, _ = run("relax", trained, crystal, "--steps", "1", "--fmax", "1e-6", "--out", "s.xyz")
    assert status == 2
    assert "not at rest" in out
    assert run("relax", trained, crystal, "--out", "s.xyz", "--resume")[0] == 2
    status, _, err = run("relax", trained, crystal, "--limit", "1", "--out", "s.xyz", "--resume")
    assert status == 1
    assert "structure 1 is Cu4 in s.xyz, and no such structure in" in err
    write(here / "water.xyz", molecule("H2O"))
    status, _, err = run("relax", trained, "water.xyz")
    assert status == 1
    assert "H, O was never seen in training" in err
    cluster = bulk("Cu", cubic=True)
    cluster.pbc, cluster.cell = False, np.zeros((3, 3))
    write(here / "cluster.xyz", cluster)
    status, _, err = run("relax", trained, "cluster.xyz", "--cell", "free")
    assert status == 1
    assert "periodic in 0 of 3 directions" in err
    status, _, err = run("eos", trained, "cluster.xyz")
    assert "is of a crystal" in err


def test_md_stops_and_goes_on(run, trained, crystal, here):
    options = ("--temperature", "300", "--every", "5", "--log-every", "5", "--copies", "2", "--timestep", "2")
    assert run("md", trained, crystal, *options, "--steps", "20", "--out", "whole")[0] == 0
    assert run("md", trained, crystal, *options, "--steps", "10", "--out", "parts")[0] == 0
    assert run("md", trained, crystal, *options, "--steps", "20", "--out", "parts")[0] == 1
    status, out, err = run("md", trained, crystal, *options, "--steps", "20", "--out", "parts", "--resume")
    assert (status, err) == (0, "")
    assert "meV/atom/ps" in out
    for name in ("trajectory-0.xyz", "trajectory-1.xyz", "log.csv", "state.safetensors", "log.svg"):
        assert (here / "whole" / name).read_bytes() == (here / "parts" / name).read_bytes(), name
    last = read(here / "whole/trajectory-1.xyz", -1)
    assert last.info["step"] == 20
    shutil.copy(here / "whole/trajectory-1.xyz", here / "moving.xyz")
    again = ("--ensemble", "nve", "--row", "-1", "--steps", "2", "--log-every", "1")
    assert run("md", trained, "moving.xyz", *again, "--out", "nve")[0] == 0
    momenta = last.get_momenta()
    last.set_momenta(momenta - momenta.mean(0))  # the centre of mass is brought to rest
    line = (here / "nve/log.csv").read_text().splitlines()[1].split(",")
    assert float(line[4]) == pytest.approx(last.get_kinetic_energy(), rel=1e-4)
    status, _, err = run("md", trained, "nowhere.xyz")
    assert status == 1
    assert "is no file" in err


def test_crystals(run, trained, crystal, here):
    status, _, err = run("eos", trained, crystal, "--json", "eos.json")
    assert (status, err) == (0, "")
    eos = json.loads((here / "eos.json").read_text())
    assert 8 < eos["volume_per_atom_a3"] < 15
    assert (here / "crystal-eos.svg").read_text().startswith("<svg")
    status, _, _ = run("elastic", trained, crystal, "--json", "elastic.json")
    assert status == 0
    C = np.array(json.loads((here / "elastic.json").read_text())["C_gpa"])
    assert C.shape == (6, 6)
    assert C[:3, :3].sum() / 9 == pytest.approx(eos["bulk_modulus_gpa"], rel=0.1)
    pytest.importorskip("phonopy", reason="phonons need the extra simulate")
    status, _, err = run("phonons", trained, crystal, "--supercell", "2x2x2", "--json", "phonons.json")
    assert status in (0, 2)
    assert err == ""
    found = json.loads((here / "phonons.json").read_text())
    assert (status == 0) == found["stable"]
    assert (here / "crystal-phonons.svg").is_file()
    assert run("phonons", trained, crystal, "--supercell", "2x2")[0] == 1
    assert "exists; --overwrite" in run("eos", trained, crystal)[2]


def test_validate(run, trained, other, crystal, here):
    options = ("--with", other, "--steps", "20", "--json", "v.json", "--picture", "new/v.svg")
    status, out, err = run("validate", trained, crystal, *options)
    assert err == ""
    checks = json.loads((here / "v.json").read_text())["checks"]
    by = {c["what"]: c for c in checks}
    assert by["F = −∂E/∂r, relative"]["passed"]
    assert by["σ = ∂E/∂ε / V"]["passed"]
    assert by["energy across the cutoff"]["passed"]
    assert (status == 2) == any(c["passed"] is False for c in checks)
    assert "Cu–Cu repels" in out
    assert by["largest σ of a force"]["value"] > 0
    assert (here / "new/v.svg").is_file()
    assert "v.json exists; --overwrite" in run("validate", trained, crystal, *options)[2]
    (here / "not.xyz").write_text("nonsense")
    status, _, err = run("validate", trained, "not.xyz")
    assert status == 1
    assert "ASE cannot read not.xyz" in err


@pytest.fixture(scope="session")
def other(trained, tmp_path_factory):
    """A second run, of slightly other weights."""
    model = load_model(trained)
    with torch.no_grad():
        model.heads["shared:energy"].net[2].weight.mul_(1.02)
    folder = tmp_path_factory.mktemp("other")
    save_model(model, folder / "best.safetensors", elements=["Cu"])
    return folder


def test_several_runs_move_by_their_mean(run, trained, other, crystal, here):
    """Dynamics writes their disagreement, the same when it was stopped; relax tells it."""
    options = ("--with", other, "--steps", "10", "--log-every", "5", "--every", "5")
    assert run("md", trained, crystal, *options, "--out", "whole")[0] == 0
    assert run("md", trained, crystal, *options, "--steps", "5", "--out", "parts")[0] == 0
    status, out, err = run("md", trained, crystal, *options, "--out", "parts", "--resume")
    assert (status, err) == (0, "")
    assert "members disagree by up to" in out
    for name in ("trajectory.xyz", "log.csv", "uncertainty.csv", "log.svg"):
        assert (here / "whole" / name).read_bytes() == (here / "parts" / name).read_bytes(), name
    lines = (here / "whole/uncertainty.csv").read_text().splitlines()
    assert lines[0] == "step,time_fs,structure,energy_sigma_ev,force_sigma_ev_per_a"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "5", "10"]
    assert all(float(x) > 0 for line in lines[1:] for x in line.split(",")[3:])
    assert "disagreement" in (here / "whole/log.svg").read_text()
    assert "model: " in run("md", trained, crystal, "--out", "parts", "--resume")[2]
    status, out, _ = run(
        "relax", trained, crystal, "--with", other, "--json", "r.json", "--limit", "1", "--out", "r.xyz"
    )
    row = json.loads((here / "r.json").read_text())["structures"][0]
    assert row["energy_sigma_ev"] > 0
    assert read(here / "r.xyz", 0).info["force_sigma"] == pytest.approx(row["force_sigma_ev_per_a"])
    assert "σ force" in out
    assert "have the same weights" in run("relax", trained, crystal, "--with", trained, "--out", "n.xyz")[2]


def test_neb_stops_and_goes_on(run, trained, here):
    """A vacancy hops: up and down again by symmetry; the band goes on where it stopped."""
    start = bulk("Cu", cubic=True, a=3.6) * (2, 2, 1)
    end = start.copy()
    hops = int(np.argsort(start.get_distances(0, range(16), mic=True))[1])
    end.positions[hops] = start.positions[0]
    del start[0], end[0]
    write(here / "start.xyz", start)
    write(here / "end.xyz", end)
    options = ("start.xyz", "end.xyz", "--images", "3", "--relax-ends", "--json", "neb.json")
    assert run("neb", trained, *options, "--steps", "2", "--out", "parts")[0] == 2
    assert "parts holds state.safetensors" in run("neb", trained, *options[:-2], "--out", "parts")[2]
    assert "neb.json exists" in run("neb", trained, *options, "--out", "other")[2]
    status, out, err = run("neb", trained, *options, "--resume", "--out", "parts")
    assert (status, err) == (0, "")
    found = json.loads((here / "neb.json").read_text())
    assert f"barrier {found['barrier_ev']:.4f} eV" in out
    assert found["converged"]
    assert found["highest_image"] == 2
    assert found["barrier_ev"] == pytest.approx(found["barrier_back_ev"], abs=1e-3)
    frames = read(here / "parts/band.xyz", ":")
    rise = frames[2].get_potential_energy() - frames[0].get_potential_energy()
    assert rise == pytest.approx(found["barrier_ev"], abs=1e-5)
    assert (here / "parts/band.svg").read_text().startswith("<svg")
    assert not (here / "parts/.lock").exists()
    assert run("neb", trained, *options[:-2], "--out", "whole")[0] == 0
    assert (here / "whole/band.xyz").read_bytes() == (here / "parts/band.xyz").read_bytes()
    status, _, err = run("neb", trained, *options[:4], "--spring", "1", "--resume", "--out", "parts")
    assert status == 1
    assert "spring: 0.1 → 1.0" in err
    write(here / "less.xyz", end[1:])
    status, _, err = run("neb", trained, "start.xyz", "less.xyz", "--out", "new/none")
    assert status == 1
    assert "the start has 15 atoms and the end has 14" in err
    assert not (here / "new").exists()
