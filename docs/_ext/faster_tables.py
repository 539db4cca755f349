"""Tables and picture of error beside time, from ``experiments/faster_properties/results.json``."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from speed_tables import COLOURS, GREY, shown

FILE = "experiments/faster_properties/results.json"
NAMES = {
    "composition": "composition only (linear)",
    "tfn": "**tfn**",
    "tfn, tables": "**tfn**, filters as tables",
    "gfn2_xtb": "GFN2-xTB",
    "gfn2_xtb, fitted": "GFN2-xTB, fitted",
    "dft_pyscf": "B3LYP/6-31G(2df,p)",
}
TITLES = {"gap": "HOMO–LUMO gap", "energy": "total energy"}


def read(root: Path) -> dict:
    """What the run wrote.

    Raises
    ------
    LookupError
        It has not been run.
    """
    if not (root / FILE).is_file():
        raise LookupError(f"{FILE} does not exist; python experiments/faster_properties/run.py writes it")
    return json.loads((root / FILE).read_text(encoding="utf-8"))


def table(results: dict, name: str) -> str:
    """Error of one property and CPU time, method by method."""
    batch = str(results["config"]["batch"])
    head = ("", "MAE, meV", "molecules", "one at a time", f"{batch} at a time", "largest error, meV")
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for row in results["properties"][name]:
        cells = [
            NAMES[row["method"]],
            f"{_meV(row['mae'])} ± {_meV(row['standard_error'])}",
            f"{row['count']:,}",
            shown(row["seconds"].get("1"), "s"),
            shown(row["seconds"].get(batch), "s"),
            _meV(row["largest"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def reproduced(results: dict) -> str:
    """The molecules that were computed by the method of the labels, one by one."""
    head = ("molecule", "", "atoms", "gap, meV", "HOMO, meV", "energy, meV", "dipole, e·Å", "CPU time")
    lines = ["| " + " | ".join(head) + " |", "|---|---" + "|---:" * (len(head) - 2) + "|"]
    for m in results["dft"]:
        errors = [f"{m[f'{what}_error']:+.2f}" for what in ("gap", "homo", "energy")]
        dipole = f"{m['dipole_error']:+.1e}"
        cells = (m["id"], m["formula"], str(m["atoms"]), *errors, dipole, shown(m["seconds"], "s"))
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cost(results: dict) -> str:
    """What a model has cost before it answers: its labels and its training."""
    dft = next(r for r in results["properties"]["gap"] if r["method"] == "dft_pyscf")
    seconds, n = dft["seconds"]["1"], results["counts"]["train"]
    parts = [
        f"{t['n_parameters']:,} parameters, {t['epochs']} epochs in {t['cpu_seconds'] / 60:.1f} minutes"
        for t in results["training"].values()
    ]
    return (
        f"The network learned the gap from {n:,} molecules ({'; '.join(parts)}). At {seconds:.0f} s each, "
        f"these labels are {n * seconds / 3600:,.0f} hours of DFT, and more where molecules are larger: a "
        "model pays where more molecules are asked about than it was taught."
    )


def fits(results: dict) -> str:
    """How results of xTB were brought to the scale of the labels."""
    f = results["fits"]
    return (
        f"GFN2-xTB is fitted on {f['molecules']:,} training molecules: gaps by a line "
        f"({f['gap']['slope']:.3f} × gap + {f['gap']['shift']:.2f} eV), energies, which are of valence "
        f"electrons only, by a constant for each element. {f['not_converged']} molecules did not converge."
    )


def origin(results: dict) -> str:
    """Where and how it was measured."""
    versions = ", ".join(f"{k} {results['versions'][k]}" for k in ("tblite", "pyscf", "torch"))
    dft = next(r for r in results["properties"]["gap"] if r["method"] == "dft_pyscf")
    return (
        f"CPU times of one thread on {results['machine']}, with {versions}; commit "
        f"{(results['commit'] or '?')[:8]}. Times are of {results['config']['timed']:,} molecules of "
        f"{results['atoms']['timed']:.1f} atoms on average, of DFT of {dft['count']} molecules of "
        f"{dft['atoms']:.1f}. ± is the standard error of the mean over molecules."
    )


TEXTS = {
    "gap": lambda results: table(results, "gap"),
    "energy": lambda results: table(results, "energy"),
    "reproduced": reproduced,
    "cost": cost,
    "fits": fits,
    "origin": origin,
}
"""Argument of the directive → text; ``picture`` is the other argument."""


def picture(results: dict) -> str:
    """Error over seconds per molecule, both logarithmic, one panel a property; SVG to stand in a page."""
    figure = Figure(figsize=(8.6, 3.9), layout="constrained")
    panels = figure.subplots(1, len(TITLES))
    labels: dict[str, object] = {}
    for axes, (name, title) in zip(panels, TITLES.items(), strict=True):
        for k, (method, colour) in enumerate(zip(NAMES, COLOURS, strict=True)):
            for row in (r for r in results["properties"][name] if r["method"] == method):
                labels[NAMES[method].replace("*", "")] = _draw(axes, row, colour, "osD^vP"[k])
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_title(title, fontsize=9, color=GREY)
        axes.set_xlabel("CPU seconds per molecule")
        _grey(axes)
    panels[0].set_ylabel("mean absolute error, meV")
    figure.legend(
        labels.values(),
        labels,
        loc="outside lower center",
        ncols=3,
        fontsize=8,
        frameon=False,
        labelcolor=GREY,
    )
    text = StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "faster"}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


def _draw(axes, row: dict, colour: str, marker: str):
    """Points of one method, or a line across where no time was taken; returns what the legend shows."""
    mae, error = 1e3 * row["mae"], 1e3 * row["standard_error"]
    times = sorted(row["seconds"].values())
    if not times:
        return axes.axhline(mae, color=colour, linewidth=1, linestyle="--")
    drawn = axes.errorbar(
        times, [mae] * len(times), [min(error, 0.9 * mae)] * len(times),
        fmt=f"{marker}-", color=colour, markersize=5, linewidth=1, capsize=2,
    )  # fmt: skip
    return drawn.lines[0]


def _grey(axes) -> None:
    """Colours that can be read on a light and on a dark page."""
    axes.grid(color=GREY, alpha=0.3)
    axes.tick_params(colors=GREY, labelsize=8, which="both")
    axes.xaxis.label.set_color(GREY)
    axes.yaxis.label.set_color(GREY)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _meV(value: float) -> str:
    """Three digits of an energy given in eV."""
    return f"{1e3 * value:,.0f}" if value >= 0.1 else f"{1e3 * value:.3g}"
