"""A run as a picture: how everybody compares with nginx, as bars with the least and the most of all rounds.

One for light pages and one for dark ones, on no ground of their own. Text is drawn as outlines, so that it looks the
same everywhere, and nothing in the file depends on when it was drawn.
"""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadtests.bench.result import Kind, Ratio, Run, ratio
from loadtests.bench.subjects import DIRECT, SUBJECTS
from loadtests.bench.tables import BASES

_THEMES = {
    "light": {"ink": "#1f2328", "faint": "#8c959f", "ours": "#0969da", "theirs": "#afb8c1", "goal": "#bc4c00"},
    "dark": {"ink": "#e6edf3", "faint": "#7d8590", "ours": "#4493f8", "theirs": "#545d68", "goal": "#f0883e"},
}

# The ratios that the gateway is meant to reach, where there are any.
_GOALS = {Kind.PASS: 0.35, Kind.FIRST: 0.7, Kind.REPLAY: 0.7}
_TITLES = {
    Kind.PASS: "pass-through: calls a second, nginx proxy_pass = 1",
    Kind.FIRST: "first calls: calls a second, nginx + Lua + Redis = 1",
    Kind.REPLAY: "replays: calls a second, nginx + Lua + Redis = 1",
}


def draw(run: Run, theme: str, file: Path) -> None:
    """Writes the picture as SVG, or as what the file's name says."""
    colours = _THEMES[theme]
    found = {kind: _ratios(run, kind) for kind in _TITLES}
    # A panel is as high as it has bars.
    heights = [max(1, len(ratios)) for ratios in found.values()]
    with mpl.rc_context({"svg.hashsalt": "bench", "font.family": "DejaVu Sans", "font.size": 9}):
        figure = Figure(figsize=(8, 1.6 + 0.28 * sum(heights)), layout="constrained")
        panels = figure.subplots(len(found), 1, sharex=True, gridspec_kw={"height_ratios": heights})
        for panel, (kind, ratios) in zip(panels, found.items(), strict=True):
            _panel(panel, kind, ratios, colours)
        figure.savefig(file, transparent=True, metadata={"Date": None} if file.suffix == ".svg" else None)


def _ratios(run: Run, kind: Kind) -> dict[str, Ratio]:
    base = run.row(BASES[kind], kind)
    if base is None:
        return {}
    rows = {subject.name: run.row(subject.name, kind) for subject in SUBJECTS if subject.name != DIRECT}
    return {name: ratio(row, base) for name, row in rows.items() if row is not None}


def _panel(panel: Axes, kind: Kind, ratios: dict[str, Ratio], colours: dict[str, str]) -> None:
    ours = {subject.name for subject in SUBJECTS if subject.ours}
    names = list(ratios)
    for place, (name, found) in enumerate(ratios.items()):
        panel.barh(place, found.median, height=0.66, color=colours["ours" if name in ours else "theirs"])
        panel.hlines(place, found.least, found.most, color=colours["ink"], linewidth=1.2)
        end = max(found.most, found.median)
        panel.text(end + 0.015, place, f"{found.median:.2f}", va="center", color=colours["ink"])
    panel.axvline(_GOALS[kind], color=colours["goal"], linewidth=1, linestyle=(0, (4, 3)), zorder=0)
    panel.text(_GOALS[kind] + 0.008, len(names) - 0.5, "target", va="bottom", color=colours["goal"], fontsize=8)
    panel.set_yticks(range(len(names)), names)
    panel.invert_yaxis()
    panel.set_title(_TITLES[kind], loc="left", fontsize=9, color=colours["ink"])
    panel.tick_params(colors=colours["ink"], length=0)
    panel.set_xlim(left=0)
    panel.xaxis.grid(visible=True, color=colours["faint"], alpha=0.25)
    panel.set_axisbelow(True)
    for side in ("top", "right", "bottom", "left"):
        panel.spines[side].set_visible(side == "left")
        panel.spines[side].set_color(colours["faint"])
