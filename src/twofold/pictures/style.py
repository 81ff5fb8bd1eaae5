"""The look of the figures, once: colors, type, axes, and SVG that follows the page.

Figures are drawn in the colors of the light page. In the SVG each of these becomes a CSS variable
with that color as its default, so that one drawing serves both schemes.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.files import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "CLASS_COLORS",
    "DARK",
    "INK",
    "LIGHT",
    "MUTED",
    "PAPER",
    "RULE",
    "RUN_COLORS",
    "Picture",
    "badge",
    "canvas",
    "color",
    "cut",
    "drawing",
    "label_ticks",
    "raster",
    "render",
]

INK, MUTED, RULE, PAPER = "#20242c", "#667080", "#dde1e7", "#fdfcfa"
# Blue, vermilion, green, purple, ochre, rose, slate, brown: apart for every kind of color vision
# when taken in this order, and letters name the runs as well.
RUN_COLORS = (
    "#1f6fb4", "#c9541a", "#128468", "#8e4fa8", "#8f6a00", "#bf3d6f", "#5a6675", "#7b5538",
)  # fmt: skip
DARK_RUN_COLORS = (
    "#6cb2ee", "#f59457", "#4fc7a4", "#c592dd", "#d9b042", "#f087ae", "#a3afbe", "#c79c79",
)  # fmt: skip
# Of the classes on a map, and of nothing else
CLASS_COLORS = (
    "#4269d0", "#b67d00", "#d8403a", "#1f9585", "#47852f",
    "#cc5fa5", "#7d55cf", "#3f9ad6", "#86623f", "#717985",
)  # fmt: skip
DARK_CLASS_COLORS = (
    "#7f9cf5", "#f0b942", "#ff7f73", "#4fd0bd", "#86cf6a",
    "#f2a1d3", "#b797f5", "#8fd0fb", "#cfa97f", "#b3bac5",
)  # fmt: skip


def _variables(plain: Sequence[str], runs: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """The page's variables -> colors."""
    return {
        **dict(zip(("fig-ink", "fig-muted", "fig-rule", "fig-paper"), plain, strict=True)),
        **{f"run-{i}": color for i, color in enumerate(runs)},
        **{f"class-{i}": color for i, color in enumerate(classes)},
    }


LIGHT = _variables((INK, MUTED, RULE, PAPER), RUN_COLORS, CLASS_COLORS)
DARK = _variables(("#e6e9ee", "#97a1b0", "#323843", "#14171c"), DARK_RUN_COLORS, DARK_CLASS_COLORS)
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": RULE,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelcolor": MUTED,
    "axes.labelsize": 8,
    **dict.fromkeys(("axes.spines.left", "axes.spines.right", "axes.spines.top"), False),
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
    **dict.fromkeys(("xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 8),
    **dict.fromkeys(("xtick.minor.size", "ytick.major.size", "ytick.minor.size"), 0),
    "xtick.major.size": 3,
    "xtick.major.width": 0.7,
}


@dataclass(frozen=True)
class Picture:
    """A figure in three forms.

    Attributes:
        name: Of its files.
        alt: What it shows, for those who cannot see it.
        inline: SVG for the page, whose variables it follows.
        svg: SVG that stands alone.
        png: On white, for papers.
    """

    name: str
    alt: str
    inline: str
    svg: str
    png: bytes

    def save(self, folder: Path) -> None:
        """Writes NAME.svg and NAME.png."""
        write_text(folder / f"{self.name}.svg", self.svg)
        write_bytes(folder / f"{self.name}.png", self.png)


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib in this style for the block; a glyph that a font lacks is no reason to stop."""
    import warnings

    import matplotlib

    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def canvas(size: tuple[float, float]) -> tuple["Figure", "Axes"]:
    """A figure of so many inches with one pair of axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.06, h_pad=0.06)  # type: ignore[union-attr]
    return figure, figure.add_subplot()


def color(index: int) -> str:
    """The color of a run."""
    return RUN_COLORS[index % len(RUN_COLORS)]


def badge(axes: "Axes", x: float, y: float, letter: str, ink: str) -> None:
    """A dot with a run's letter."""
    axes.plot(x, y, "o", color=ink, markersize=8.5)
    style = {"ha": "center", "va": "center_baseline", "fontsize": 6.5}
    axes.text(x, y, letter, color=PAPER, fontweight="bold", **style)


def cut(text: str, length: int = 14) -> str:
    """A name that fits beside an axis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def label_ticks(axes: "Axes", text: Callable[[float], str]) -> None:
    """Writes the ticks of the horizontal axis in words."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def render(figure: "Figure", name: str, alt: str) -> Picture:
    """A finished figure as PNG and SVG."""
    import matplotlib

    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # laid out once, not again for each form
    with matplotlib.rc_context({"svg.hashsalt": name}):
        svg = _saved(figure, "svg", metadata={"Date": None, "Creator": None}).decode()
    png = _saved(figure, "png", dpi=200, facecolor="white")
    body = _follow_the_page(svg[svg.index("<svg") :], name)
    dark = "".join(f"--{variable}:{ink};" for variable, ink in DARK.items())
    rules = f"@media (prefers-color-scheme: dark){{:root{{{dark}}}}}text{{font-family:{FONT}}}"
    styled = body.replace(">", f"><style>{rules}</style>", 1)  # it chooses its colors itself
    return Picture(name, alt, body, f'<?xml version="1.0" encoding="utf-8"?>\n{styled}\n', png)


def raster(picture: Picture, shrink: int = 1) -> NDArray[np.uint8]:
    """A figure as pixels (H, W, 3); at half its size it goes with images beside it."""
    from PIL import Image

    image = Image.open(io.BytesIO(picture.png)).convert("RGB")
    return np.asarray(image.reduce(shrink))


def _saved(figure: "Figure", kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _follow_the_page(svg: str, name: str) -> str:
    """Colors become variables, fonts the page's, names unique on the page, and points short."""
    svg = re.sub(r"\s*<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[\w.]+">', "<g>", svg)
    svg = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg [^>]*?)\s*width="[\d.]+pt" height="[\d.]+pt"', r"\1 ", svg, count=1)
    svg = re.sub(r"'DejaVu Sans'(?:, sans-serif)?|font-family: sans-serif", "sans-serif", svg)
    svg = re.sub(r' (?:d|x|y)="[^"]*"', _to_hundredths, svg)
    for variable, color in LIGHT.items():
        svg = svg.replace(color, f"var(--{variable}, {color})")
    return svg.strip()


def _to_hundredths(match: re.Match[str]) -> str:
    """A path without the digits that no screen shows."""
    return re.sub(r"(\.\d\d)\d+", r"\1", match[0]).replace(" \n", "\n")
