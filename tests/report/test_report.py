"""The report of a run says what its files say, in one file that draws without a network."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from atomscape.report.compared import by_element, compared, worst
from atomscape.report.page import finite, write_report
from atomscape.report.run_files import read_run_files

HOVER = """() => {
  const canvas = document.querySelector(".parity canvas"), hint = document.getElementById("hint");
  const box = canvas.getBoundingClientRect();
  for (let x = 60; x < box.width; x += 8)
    for (let y = 0; y < box.height; y += 8) {
      const at = { clientX: box.left + x, clientY: box.top + y };
      canvas.dispatchEvent(new PointerEvent("pointermove", at));
      if (!hint.hidden) return hint.textContent;
    }
  return "";
}"""


def test_errors_are_those_of_the_results(run):
    files = read_run_files(run)
    assert files.results is not None
    found = {(c.name, c.part): c for c in compared(files.predictions, files.results)}
    assert set(found) == {(p, part) for p in ("energy", "forces") for part in ("val", "test")}
    for (name, part), c in found.items():
        unit = {"energy": "eV/atom", "forces": "eV/Å"}[name]
        (m,) = (m for m in files.results["metrics"][part] if (m["property"], m["unit"]) == (name, unit))
        assert c.unit == f"m{unit}"
        assert len(c.label) == m["count"], "labels that are not known are left out"
        assert np.abs(c.errors).mean() == pytest.approx(1e3 * m["mae"], rel=1e-4)
        assert np.sqrt((c.errors**2).mean()) == pytest.approx(1e3 * m["rmse"], rel=1e-4)
    assert np.abs(found["energy", "test"].label).max() < 1000, "without the 1000 eV of each carbon"
    assert found["energy", "test"].note == "per atom, without E0"


def test_elements_and_worst_structures(run):
    files = read_run_files(run)
    c = next(c for c in compared(files.predictions, None) if c.name == "forces" and c.part == "test")
    numbers = files.predictions["numbers"].to_pylist()
    rows = by_element(c, numbers)
    assert {r.element for r in rows} == {"C", "O"}
    assert sum(r.count for r in rows) == len(c.label)
    mean = sum(r.mae * r.count for r in rows) / len(c.label)
    assert mean == pytest.approx(np.abs(c.errors).mean())
    first, *rest = worst(c)
    mine = c.structure == first.structure
    assert first.error == pytest.approx(np.sqrt((c.errors[mine] ** 2).mean()))
    assert abs(first.predicted - first.label) == pytest.approx(np.abs(c.errors[mine]).max())
    assert [first.error, *(w.error for w in rest)] == sorted((w.error for w in worst(c)), reverse=True)
    few = c.some(7)
    assert len(few.label) == 7 == len(few.structure)


def test_a_run_under_way_has_a_report_too(run, tmp_path):
    for name in ("config.yaml", "metrics.jsonl"):
        shutil.copy(run / name, tmp_path / name)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"epoch": 4, "st')  # the line that is being written
    assert len(read_run_files(tmp_path).metrics) == 3
    text = write_report(tmp_path).read_text()
    manifest = json.loads(text.partition('id="manifest">')[2].partition("</script>")[0])
    assert manifest["facts"][0] == ["state", "under way, epoch 3 of 3"]
    assert (manifest["scores"], manifest["properties"], manifest["ended"]) == ([], [], False)
    assert manifest["curves"][0]["title"] == "Loss"
    with pytest.raises(ValueError, match="holds no run"):
        write_report(tmp_path / "elsewhere")


def test_what_is_no_number_becomes_null():
    assert finite({"a": [float("nan"), 1.5, "x"], "b": (float("inf"),)}) == {
        "a": [None, 1.5, "x"],
        "b": [None],
    }


@pytest.mark.browser
def test_the_page_draws(run, tmp_path, start_browser):
    page = write_report(run, tmp_path / "report.html")
    context = start_browser().new_context(viewport={"width": 1100, "height": 900})
    shown, problems, asked = context.new_page(), [], []
    shown.on("pageerror", lambda e: problems.append(str(e)))
    shown.on("console", lambda m: m.type == "error" and problems.append(m.text))
    shown.on("request", lambda r: asked.append(r.url))
    shown.goto(page.as_uri() + "#theme=dark")
    shown.wait_for_selector(".worst img.dark")
    assert problems == []
    assert all(u.startswith(("file:", "data:")) for u in asked), "nothing is fetched"
    assert shown.locator(".score").count() == 2
    assert shown.locator("html").get_attribute("data-theme") == "dark"
    titles = shown.locator(".chart h3").all_inner_texts()
    assert any(t.startswith("Learning rate") for t in titles)
    assert any(t.startswith("Gradient at the encoder") for t in titles)
    seen = shown.evaluate(HOVER)
    assert "cluster-" in seen, "hovering says which structure"
    shown.get_by_role("radio", name="forces").click()
    assert "numbers" in shown.locator(".parity .legend").inner_text()
    assert shown.locator(".worst .card").count() >= 6
    assert problems == []
    context.close()
