"""Audit every dataset below $ATOMSCAPE_DATA and keep what was found: ``python scripts/audit.py [NAME …]``.

Named sources, and the files of ``experiments/audit/files.yaml`` as they are published. Of large sources the
first 3,000 structures are looked at, and of carbon-24 the number of different ones for several tolerances.
Writes ``experiments/audit/results.json``, from which the documentation
makes its tables; with names, only these are asked anew.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from time import perf_counter

import numpy as np
import yaml

from atomscape import __version__
from atomscape.atoms.fingerprint import fingerprints, first_of_kind, matches
from atomscape.atoms.structures import Structures
from atomscape.data.audit import Audit, audit
from atomscape.data.examined import Examined
from atomscape.data.load import find_folder, load
from atomscape.data.named import find_source, source_names
from atomscape.data.reading import Reading
from atomscape.data.unchecked import audit_of_refused
from atomscape.learn.results import commit

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "experiments" / "audit"
MOST = 3000
TOLERANCES = (0.001, 0.002, 0.005, 0.007, 0.01, 0.02)


def main() -> None:
    """Ask, print a line each, and write the file."""
    wanted = sys.argv[1:]
    found = []
    for made in chain(files(wanted), sources(wanted)):
        found.append(made)
        said = ", ".join(f"{f['check']} ({f['severity']})" for f in made["findings"]) or "nothing"
        print(f"{made['dataset']}: {made['structures']:,}, {made['seconds']:.1f} s: {said}", flush=True)
    file = FOLDER / "results.json"
    whole = json.loads(file.read_text()) if wanted else {"most": MOST, "tolerances": tolerances()}
    anew = {made["dataset"]: made for made in found}
    kept = [anew.pop(row["dataset"], row) for row in whole.get("datasets", [])]
    whole["datasets"] = [*kept, *anew.values()]
    file.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n")


def files(wanted: list[str]) -> Iterator[dict]:
    """Audits of files as they are."""
    data = Path(os.environ["ATOMSCAPE_DATA"])
    for row in yaml.safe_load((FOLDER / "files.yaml").read_text(encoding="utf-8")):
        path = data / row["file"]
        if path.is_file() and (not wanted or row["file"] in wanted):
            reading = Reading(
                keys=row.get("keys", {}), stress=row.get("stress"), trust=row.get("trust", False)
            )
            start = perf_counter()
            try:
                one = audit(load(path, reading))
            except ValueError as error:
                one = audit_of_refused(path, reading, error)
            yield record(row["file"], "file", one, perf_counter() - start)


def sources(wanted: list[str]) -> Iterator[dict]:
    """Audits of the named sources that have their files here; those made by generators are left out."""
    for name in source_names():
        source = find_source(name)
        folder = find_folder(source)
        if source.card.generated or folder is None or (wanted and name not in wanted):
            continue
        start = perf_counter()
        read, enough = [], 0
        for batch in source.read(folder):
            read.append(batch)
            enough += len(batch)
            if enough >= MOST:
                break
        s = Structures.concatenate(read)[: min(MOST, enough)]
        splits = {k: np.asarray(v)[np.asarray(v) < len(s)] for k, v in source.splits(folder).items()}
        known = {p.name: p.property() for p in source.card.properties}
        yield record(name, "source", audit(Examined.of(s, known, splits)), perf_counter() - start)


def tolerances(name: str = "carbon_24") -> dict:
    """How many crystals of one element differ."""
    source = find_source(name)
    folder = find_folder(source)
    assert folder is not None
    prints = np.concatenate([fingerprints(s).numpy() for s in source.read(folder)])
    keys = np.zeros(len(prints), dtype=np.int64)
    different = {
        f"{t:g}": len(np.unique(first_of_kind(len(prints), matches(keys, prints, t)))) for t in TOLERANCES
    }
    return {"dataset": name, "structures": len(prints), "different": different}


def record(name: str, kind: str, found: Audit, seconds: float) -> dict:
    """What is kept of an audit: of rows, how many."""
    findings = [{**f.as_dict(), "rows": len(f.rows)} for f in found.findings]
    return {
        "dataset": name,
        "kind": kind,
        "structures": found.structures,
        "seconds": round(seconds, 2),
        "skipped": found.skipped,
        "written_by": f"{__version__}, commit {(commit() or '?')[:8]}",
        "findings": findings,
    }


if __name__ == "__main__":
    main()
