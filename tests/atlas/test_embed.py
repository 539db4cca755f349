"""Embeddings on disk: the right numbers, their origin, restart after a kill, and damage that is noticed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import atomscape.atlas.embed as embedding
from atomscape.atlas.embed import embed, encoder_hash, layer_names
from atomscape.atlas.embedding_store import CARD, BrokenEmbeddings, EmbeddingStore
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.data.card import Card
from atomscape.data.store import write_store
from atomscape.find import find
from atomscape.o3.rotation import random_rotation
from atomscape.testing import cases
from atomscape.testing.compare import rotated

PARTS = [cases.ethanol, cases.rattled_rocksalt, cases.slab, cases.water, cases.chiral, cases.isolated_atom]


def build(dtype=torch.float64, **options):
    module = find("encoders", "tfn")
    settings = {"channels": 4, "layers": 2, "cutoff": 3.2, "n_radial": 4, "l_max": 2} | options
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return module.build(module.Config(**settings)).to(dtype)


def dataset(folder, turn=None):
    """Twelve different structures, turned by a rotation if one is given."""
    batches = []
    for k in range(12):
        one = PARTS[k % len(PARTS)]()
        one = replace(one, positions=one.positions * (1 + 0.01 * (k // len(PARTS))), ids=(f"s{k}",))
        batches.append(one if turn is None else rotated(one, turn))
    return write_store(folder, batches, Card(name="twelve", licence="CC0", citation="Nobody (2024)"))


@pytest.fixture
def store(tmp_path):
    return dataset(tmp_path / "data")


def test_features_are_the_pooled_invariants(store, tmp_path):
    encoder = build()
    made = embed(encoder, store, tmp_path / "out", batch_atoms=20)
    whole = store[:]
    with torch.no_grad():
        expected = encoder(neighbour_graph(whole, encoder.cutoff)).pooled(whole)
    np.testing.assert_allclose(made.features, expected.float(), rtol=1e-6, atol=1e-9)
    assert made.features.dtype == np.float32
    assert not made.features.flags.writeable
    assert made.ids == store.ids
    assert made.rows.tolist() == list(range(12))
    assert (len(made), made.n_features) == (12, 12)
    made.verify()


def test_blocks_say_which_columns_are_which(store, tmp_path):
    encoder = build(parity="both", layers=3)
    made = embed(encoder, store, tmp_path / "out")
    whole = store[:]
    with torch.no_grad():
        e = encoder(neighbour_graph(whole, encoder.cutoff))
    assert [(b.l, b.parity) for b in made.card.blocks] == sorted(e.blocks)
    for b in made.card.blocks:
        atoms = e.block_invariants(b.l, b.parity).float()
        first = atoms[: int(whole.counts[0])].mean(0)
        np.testing.assert_allclose(made.block(b.l, b.parity)[0], first, rtol=1e-5, atol=1e-12)
    assert len(made.feature_names) == len(set(made.feature_names)) == made.n_features
    assert "l=1 odd #0" in made.feature_names
    with pytest.raises(KeyError, match="2 blocks fit"):
        made.block(1)


@pytest.mark.parametrize("pooling", ["mean", "sum"])
def test_layer_and_pooling(store, tmp_path, pooling):
    encoder = build()
    assert layer_names(encoder) == ["species", "layer 1", "layer 2"]
    made = embed(encoder, store, tmp_path / "out", layer="layer 1", pooling=pooling)
    whole = store[:]
    with torch.no_grad():
        layers = encoder(neighbour_graph(whole, encoder.cutoff), layers=True).layers
    np.testing.assert_allclose(made.features, layers[1].pooled(whole, pooling).float(), rtol=1e-6, atol=1e-9)
    assert (made.card.origin.layer, made.card.origin.pooling) == ("layer 1", pooling)
    assert embed(encoder, store, tmp_path / "species", layer="species").n_features == 4


def test_rotation_reflection_and_translation_change_nothing(store, tmp_path):
    encoder = build()
    here = embed(encoder, store, tmp_path / "here")
    Q = -random_rotation(1, generator=torch.Generator().manual_seed(1))[0]
    there = embed(encoder, dataset(tmp_path / "turned", Q), tmp_path / "there")
    np.testing.assert_allclose(there.features, here.features, rtol=1e-6, atol=1e-9)


def test_origin_and_card(store, tmp_path):
    encoder = build()
    card = embed(encoder, store, tmp_path / "out", rows=[3, 1]).card
    origin = card.origin
    assert (origin.dataset, origin.data_fingerprint) == ("twelve", store.fingerprint)
    assert origin.layer == "layer 2"
    assert origin.model_hash == encoder_hash(encoder)
    assert "4x0e+4x1o+4x2e" in origin.encoder
    assert (card.licence, card.citation, card.n_of_dataset) == ("CC0", "Nobody (2024)", 12)
    with torch.no_grad():
        next(encoder.parameters()).add_(1.0)
    assert embed(encoder, store, tmp_path / "other").card.origin.model_hash != origin.model_hash


def test_chosen_rows_in_their_order(store, tmp_path):
    encoder = build()
    everything = embed(encoder, store, tmp_path / "all").features
    some = embed(encoder, store, tmp_path / "some", rows=[7, 2, 11])
    assert some.rows.tolist() == [7, 2, 11]
    assert some.ids == ["s7", "s2", "s11"]
    np.testing.assert_allclose(some.features, everything[[7, 2, 11]], rtol=1e-5, atol=1e-9)


def test_several_files_and_progress(store, tmp_path, monkeypatch):
    one = embed(build(), store, tmp_path / "one").features
    monkeypatch.setattr(embedding, "SHARD_ROWS", 5)
    seen = []
    made = embed(build(), store, tmp_path / "out", progress=lambda done, total: seen.append((done, total)))
    assert [s.rows for s in made.card.shards] == [5, 5, 2]
    np.testing.assert_allclose(made.features, one, rtol=1e-5, atol=1e-9)
    assert made.ids == store.ids
    assert seen == sorted(seen)
    assert seen[-1] == (12, 12)


def test_a_killed_run_goes_on_where_it_stopped(store, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "SHARD_ROWS", 4)
    encoder, read = build(), []

    def killed(done, total):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(encoder, store, tmp_path / "out", progress=killed)
    assert not (tmp_path / "out").exists()
    made = embed(encoder, store, tmp_path / "out", progress=lambda done, total: read.append(done))
    assert read[0] == 4, "the first file is taken over without reading its structures again"
    fresh = embed(encoder, store, tmp_path / "fresh")
    assert made.card.fingerprint == fresh.card.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "fresh", "out"]


def test_what_another_model_left_is_not_taken_over(store, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "SHARD_ROWS", 4)

    def killed(done, total):
        if done == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(build(cutoff=2.5), store, tmp_path / "out", progress=killed)
    made = embed(build(), store, tmp_path / "out")
    np.testing.assert_array_equal(made.features, embed(build(), store, tmp_path / "fresh").features)
    assert not list(tmp_path.glob(".*"))


def test_training_mode_is_given_back_and_eval_used(store, tmp_path):
    encoder = build().train()
    embed(encoder, store, tmp_path / "out")
    assert encoder.training
    assert not any(p.grad is not None for p in encoder.parameters())


def test_nothing_is_overwritten_unasked(store, tmp_path):
    first = embed(build(), store, tmp_path / "out")
    with pytest.raises(FileExistsError, match="exists and is not overwritten"):
        embed(build(), store, tmp_path / "out")
    second = embed(build(), store, tmp_path / "out", pooling="sum", overwrite=True)
    assert second.card.origin.pooling == "sum"
    assert first.card.fingerprint != second.card.fingerprint
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out"]


def test_bad_questions(store, tmp_path):
    with pytest.raises(
        ValueError, match=r"no layer 'layer 3'; did you mean 'layer 2'\? Known: last, species"
    ):
        embed(build(), store, tmp_path / "out", layer="layer 3")
    with pytest.raises(ValueError, match="no pooling 'maen'; did you mean 'mean'"):
        embed(build(), store, tmp_path / "out", pooling="maen")
    with pytest.raises(ValueError, match="rows 0…12 asked of a dataset of 12"):
        embed(build(), store, tmp_path / "out", rows=[0, 12])
    with pytest.raises(ValueError, match="nothing to embed"):
        embed(build(), store, tmp_path / "out", rows=[])
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*; choose another place"):
        embed(build(), store, tmp_path / "file" / "out")


def test_diverged_models_are_noticed(store, tmp_path):
    encoder = build()
    with torch.no_grad():
        next(encoder.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="features of 2 structures are not finite, first 's0' of twelve"):
        embed(encoder, store, tmp_path / "out", batch_atoms=18)


@pytest.mark.parametrize("damage", ["cut", "alter", "remove", "card"])
def test_damage_is_noticed(store, tmp_path, damage):
    made = embed(build(), store, tmp_path / "out")
    path = made.folder / made.card.shards[0].file
    content = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(content[:-100])
    elif damage == "alter":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "remove":
        path.unlink()
    else:
        (made.folder / CARD).write_text("{}")
    with pytest.raises(BrokenEmbeddings):
        EmbeddingStore.open(made.folder).verify()


def test_a_folder_without_embeddings(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a folder with embedding\.json in it is needed"):
        EmbeddingStore.open(tmp_path)
