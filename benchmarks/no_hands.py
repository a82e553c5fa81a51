# SPDX-License-Identifier: Apache-2.0
"""Photographs without hands that Python packages ship; none is part of this repository.

scikit-image names sources and licences in the docstrings of `skimage.data`: public domain, CC0 or
"no known copyright restrictions", but none for `moon`, `page` and `motorcycle` (Middlebury stereo);
scikit-learn in `datasets/images/README.txt` (CC BY 2.0). Left out: `camera.png`, whose man has
hands, and what is no photograph or shows the same again.
"""

from pathlib import Path

PHOTOGRAPHS = {
    "skimage/data": (
        "astronaut.png", "brick.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png",
        "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png",
        "microaneurysms.png", "moon.png", "motorcycle_left.png", "page.png", "retina.jpg",
        "rocket.jpg", "text.png",
    ),
    "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
}  # fmt: skip


def photographs(environment: Path) -> list[Path]:
    """The photographs in a virtual environment made of requirements/mediapipe.txt.

    Raises:
        ValueError: one is missing; the sentence says how to get it.
    """
    names = [f"{folder}/{name}" for folder, files in PHOTOGRAPHS.items() for name in files]
    found = [next(environment.glob(f"lib/python3*/site-packages/{name}"), None) for name in names]
    if missing := [name for name, path in zip(names, found, strict=True) if path is None]:
        raise ValueError(
            f"{environment}: has no {missing[0]}; expected a virtual environment with "
            "requirements/mediapipe.txt installed"
        )
    return [path for path in found if path]
