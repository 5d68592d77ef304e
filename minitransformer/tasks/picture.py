"""Pictures, through matplotlib, which is the extra `plots`; it is imported when it is needed and not before."""

import io
from pathlib import Path
from typing import Any

from minitransformer.files import write_whole

INSTALL_HINT = "pictures need the library `matplotlib`: pip install 'minitransformer[plots]'"


def check_library() -> None:
    """Before anything is trained. Raises ValueError with what to install."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ValueError(INSTALL_HINT) from error


def new_figure(width: float, height: float) -> Any:
    """An empty figure, in inches. Raises ValueError with what to install."""
    check_library()
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_png(path: str | Path, figure: Any, dpi: int = 150) -> None:
    """The figure as a PNG file, written whole."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=dpi)
    write_whole(path, picture.getvalue())
