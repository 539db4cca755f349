"""
Train a small network
=====================

The command ``atomscape train`` in Python: a config, a run, its errors. Here on a few hundred molecules of
the embedded sample, for seconds; the demo takes all of them and a larger network.
"""

# %%
# A config is plain data: which molecules, which encoder, what to learn. A wrong key is refused, with the
# nearest right one.
import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from rich.console import Console

from atomscape.learn.recipe import parse_config
from atomscape.learn.train import train

config = parse_config(
    """
    name: small
    data:
      - {name: sample, source: sample, split: {kind: random, train: 400, val: 100, test: 100}}
    encoder: {kind: tfn, l_max: 1, channels: 16, layers: 2, cutoff: 4.0}
    objectives:
      - {property: charges}
    training: {epochs: 10, batch: {structures: 16}, learning_rate: 0.01, ema: 0.95}
    """
)
try:
    parse_config("training: {epoch: 10}")
except ValueError as error:
    print(error)

# %%
# Training writes everything to a folder: the config, a line per evaluation, the best model, and the
# results. Two baselines stand beside the errors: the mean, and what the element alone tells.
folder = Path(tempfile.mkdtemp()) / "run"
results = train(config, folder, console=Console(quiet=True))
(network,) = results.metrics["test"]
for name, metric in [
    ("network", network),
    ("mean", results.baselines["mean"]["test"][0]),
    ("element", results.baselines["composition"]["test"][0]),
]:
    print(f"{name:8s}  MAE {metric.mae:.4f} {metric.unit}   RMSE {metric.rmse:.4f} {metric.unit}")

# %%
# The log is a line of JSON per evaluation.
log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
errors = [next(iter(record["val"].values()))["mae"] for record in log]
fig, ax = plt.subplots(figsize=(6, 3.2))
ax.semilogy([record["epoch"] for record in log], errors, marker="o", color="0.2")
ax.axhline(results.baselines["composition"]["val"][0].mae, ls="--", color="tab:blue", label="element alone")
ax.set(xlabel="epoch", ylabel="MAE of charges (e)")
ax.legend(frameon=False)
fig.tight_layout()
