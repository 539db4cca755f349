"""Freezing, learning rates of parts, low-rank updates: what stays is the same bits, what is saved plain."""

from __future__ import annotations

import io

import pytest
import torch
from rich.console import Console

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.find import available, find
from atomscape.learn.architecture import Architecture, architecture_of
from atomscape.learn.checkpoint import load_model, read_tensors, save_model
from atomscape.learn.config import PlugIn
from atomscape.learn.fine_tuning.low_rank import adapt, merged
from atomscape.learn.fine_tuning.options import LowRank
from atomscape.learn.model import Model
from atomscape.learn.parameters import freeze, named, optimiser_for, set_rate
from atomscape.learn.prepare import prepare
from atomscape.learn.train import train
from atomscape.learn.weighting.weights import FixedWeights
from atomscape.testing import cases, laws

SMALL = {"channels": 12, "layers": 2, "cutoff": 3.4, "n_radial": 5, "average_neighbours": 3.0}


def small_model(encoder: str = "schnet", **options) -> Model:
    """A model without heads of an encoder of that name."""
    fields = find("encoders", encoder).Config.model_fields
    settings = {k: v for k, v in (SMALL | options).items() if k in fields}
    plug_in = PlugIn.model_validate({"kind": encoder, **settings})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Model(Architecture(encoder=plug_in, heads=(), datasets=("d",), dtype="float64"))


@pytest.fixture
def trained(make_config, tmp_path):
    """A model to start from."""
    config = make_config()
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model = Model(architecture_of(config, prepare(config).properties))
    (tmp_path / "first").mkdir()
    save_model(model, tmp_path / "first" / "best.safetensors")
    return tmp_path / "first"


def test_what_is_frozen_is_the_same_to_the_bit(make_config, trained, tmp_path, quiet):
    """Neither gradients, nor decay, nor the average of the weights move it; the rest moves."""
    frozen = ["encoder.species", "encoder.layers.0.filter.*", "heads.shared:gap.net.0"]
    config = make_config(f"start_from={trained}", f"training.freeze={frozen}", "training.weight_decay=1.0")
    train(config, tmp_path / "run", console=quiet)
    first = read_tensors(trained / "best.safetensors")[0]
    best = read_tensors(tmp_path / "run" / "best.safetensors")[0]
    state = read_tensors(tmp_path / "run" / "last.safetensors")[0]
    names = [n for n, _ in load_model(trained).named_parameters()]
    still = [
        n
        for n in names
        if n.startswith(("encoder.species", "encoder.layers.0.filter", "heads.shared:gap.net.0"))
    ]
    assert len(still) == 2 + 4 + 2
    for name in still:
        assert torch.equal(first[name], best[name])
        assert torch.equal(first[name], state[f"average.{name}"])
    assert all(not torch.equal(first[n], best[n]) for n in names if n not in still)


def test_a_part_that_does_not_exist_is_answered_with_those_that_do():
    with pytest.raises(ValueError, match=r"no parameter is called 'encoder.layer.0'; did you mean 'encoder.layers.0'") as caught:  # fmt: skip  # noqa: E501
        named(small_model(), "encoder.layer.0", "training.freeze")
    assert "encoder.species  (" in str(caught.value)
    with pytest.raises(ValueError, match="is everything there is"):
        freeze(small_model(), ["encoder"])


def test_learning_rates_by_part(make_config):
    t = make_config("training.learning_rates={encoder: 0.1, encoder.layers.1: 0.5}").training
    model = small_model()
    optimiser = optimiser_for(model, FixedWeights(), t)
    set_rate(optimiser, 2.0)
    rate = {id(p): g["lr"] for g in optimiser.param_groups for p in g["params"]}
    for name, p in model.named_parameters():
        assert rate[id(p)] == pytest.approx(1.0 if name.startswith("encoder.layers.1.") else 0.2)
    freeze(model, ["encoder.layers.1"])
    with pytest.raises(ValueError, match=r"all of 'encoder.layers.1' is frozen"):
        optimiser_for(model, FixedWeights(), t)


def test_without_options_there_is_one_group_of_everything(make_config):
    model = small_model()
    (group,) = optimiser_for(model, FixedWeights(), make_config().training).param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in model.parameters()]


@pytest.mark.parametrize("encoder", available("encoders"))
def test_low_rank_updates_of_any_encoder(encoder, tmp_path):
    """Exact at the start, equivariant after, plain when saved; only the update gets gradients."""
    model = small_model(encoder)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    graph = neighbour_graph(cases.ethanol(), model.cutoff)
    expected = {k: b.detach() for k, b in model.encoder(graph).blocks.items()}
    assert adapt(model, LowRank(rank=2, scale=2.0)) > 0
    assert all(torch.equal(b, expected[k]) for k, b in model.encoder(graph).blocks.items())
    trained = [n for n, p in model.named_parameters() if p.requires_grad]
    assert trained
    assert all(n.endswith((".0.A", ".0.B")) for n in trained)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(".0.B"):
                p.copy_(0.2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(1)))
    moved = {k: b.detach() for k, b in model.encoder(graph).blocks.items()}
    assert any(not torch.equal(moved[k], expected[k]) for k in moved)
    if laws.claims_equivariance(model.encoder):
        laws.check_rotation(model.encoder, cases.ethanol())
    plain = load_model(save_model(model, tmp_path / "m.safetensors"))
    assert plain.state_dict().keys() == before.keys()
    assert all(torch.equal(b, moved[k]) for k, b in plain.encoder(graph).blocks.items())
    assert plain.n_parameters > sum(p.numel() for p in model.parameters() if p.requires_grad)


def test_a_rank_that_saves_nothing_is_refused():
    with pytest.raises(ValueError, match=r"rank 100 saves nothing .*\(12, 12\)"):
        adapt(small_model(), LowRank(rank=100))


def test_a_run_with_low_rank_updates(make_config, trained, tmp_path):
    """What is written loads as a plain model, differs by the rank asked for, and resumes as it was."""
    out = io.StringIO()
    config = make_config(f"start_from={trained}", "training.lora={rank: 1}")
    results = train(config, tmp_path / "run", console=Console(file=out, width=200))
    assert results is not None
    assert "with an update of rank 1" in out.getvalue()
    first, model = load_model(trained), load_model(tmp_path / "run")
    assert model.architecture == first.architecture
    assert results.model_hash == model.hash
    name = "encoder.layers.0.before.weight"
    change = model.state_dict()[name] - first.state_dict()[name]
    values = torch.linalg.svdvals(change.double())
    assert values[0] > 1e-4 > 1e3 * values[1]
    assert torch.equal(
        model.state_dict()["encoder.layers.0.after.0.bias"],
        first.state_dict()["encoder.layers.0.after.0.bias"],
    )
    assert train(config, tmp_path / "run", resume=True, console=Console(quiet=True)) == results


def test_merged_leaves_a_plain_model_alone():
    model = small_model()
    state = model.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in merged(model).items())
    assert merged(model).keys() == state.keys()


def test_low_rank_needs_something_to_start_from(make_config):
    with pytest.raises(ValueError, match="say which with start_from"):
        make_config("training.lora=4")
