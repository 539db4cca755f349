"""A scene as one HTML file in 3D: it opens by double click, without a network, a server or a library.

The page draws with WebGL 2. Its modules lie in ``page/`` as plain ES modules and are inlined here, with the
scene's arrays packed as text.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np

from atomscape.shapes import Shaped
from atomscape.view.scene import Balls, Layer, Mesh, Scene, Sticks
from atomscape.web.inlining import inline_modules
from atomscape.web.one_file import as_blobs, as_json, as_text, filled, look, page_modules, write_whole
from atomscape.web.packing import Blob, pack_array, pack_texts


def write_page(scene: Scene, path: str | os.PathLike[str]) -> Path:
    """Write the scene as one HTML file and return its path. An existing file is replaced in one step.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    return write_whole(Path(path), page_parts(scene), "the page")


def page_parts(scene: Scene) -> list[str]:
    """The page as text, in pieces."""
    folder = resources.files("atomscape.view").joinpath("page")
    packing = Packing()
    manifest = packing.scene(scene)
    filling = {
        "title": as_text(scene.title or "Structure"),
        "style": [look(), folder.joinpath("style.css").read_text("utf-8")],
        "manifest": as_json(manifest),
        "blobs": as_blobs(packing.blobs),
        "script": [inline_modules(page_modules("atomscape.view"), "main")],
    }
    return filled(folder.joinpath("index.html").read_text("utf-8"), filling)


class Packing:
    """A scene's arrays as packed text, and what the manifest says of them.

    Lengths are kept in float32, normals as steps of 1/127, indices in the smallest type that holds them.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}

    def scene(self, scene: Scene) -> dict[str, object]:
        """The manifest."""
        middle, radius = scene.middle()
        return {
            "title": scene.title,
            "note": scene.note,
            "turn": scene.turn.reshape(-1).tolist(),
            "middle": middle.tolist(),
            "radius": radius,
            "layers": [self._layer(layer, layer in scene.seen()) for layer in scene.layers],
        }

    def _layer(self, layer: Layer, shown: bool) -> dict[str, object]:
        labels = [
            {"text": label.text, "at": label.position.tolist(), "quiet": label.quiet}
            for label in layer.labels
        ]
        return {
            "name": layer.name,
            "group": layer.group,
            "note": layer.note,
            "shown": shown,
            "balls": [self._balls(b) for b in layer.balls],
            "sticks": [self._sticks(s) for s in layer.sticks],
            "meshes": [self._mesh(m) for m in layer.meshes],
            "labels": labels,
        }

    def _balls(self, balls: Balls) -> dict[str, object]:
        arrays = {"at": _short(balls.positions), "radii": _short(balls.radii), "colours": balls.colours}
        halo = None if balls.halo is None else balls.halo.tolist()
        return {**self._kept(arrays), "names": self._keep(pack_texts(balls.names)), "halo": halo}

    def _sticks(self, sticks: Sticks) -> dict[str, object]:
        arrays = {
            "starts": _short(sticks.starts),
            "ends": _short(sticks.ends),
            "radii": _short(sticks.radii),
            "colours": sticks.colours,
        }
        return self._kept(arrays)

    def _mesh(self, mesh: Mesh) -> dict[str, object]:
        arrays = {
            "vertices": _short(mesh.vertices),
            "normals": np.rint(127 * mesh.normals).astype(np.int8),
            "colours": mesh.colours,
            "triangles": mesh.triangles.astype(np.uint16 if len(mesh.vertices) < 2**16 else np.uint32),
        }
        return {**self._kept(arrays), "opacity": mesh.opacity, "name": mesh.name}

    def _kept(self, arrays: Mapping[str, Shaped[np.ndarray, "*shape"]]) -> dict[str, object]:
        return {name: self._keep(pack_array(values)) for name, values in arrays.items()}

    def _keep(self, blob: Blob) -> dict[str, object]:
        name = str(len(self.blobs))
        self.blobs[name] = blob
        return {"id": f"blob-{name}", "dtype": blob.dtype}


def _short(values: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    return values.astype(np.float32)
