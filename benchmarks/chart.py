"""The rows that have a goal, as a picture: how many times as long as the other, and what the goal allows."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

import pygal  # type: ignore[import-untyped]
from pygal.style import Style  # type: ignore[import-untyped]

from benchmarks.report import Row

STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#333333",
    foreground_strong="#111111",
    foreground_subtle="#777777",
    colors=("#2f6f9f", "#d08a2e"),
    font_family="sans-serif",
    label_font_size=13,
    major_label_font_size=13,
    value_font_size=12,
    title_font_size=16,
    legend_font_size=13,
)


def drawn(rows: Sequence[Row]) -> str:
    """An SVG document. The axis is logarithmic: 1 is as long as the other, shorter bars are faster."""
    shown = [row for row in rows if row.most is not None and not row.missing]
    chart = pygal.HorizontalBar(
        style=STYLE,
        logarithmic=True,
        # Without it the picture asks another host for a script, for tooltips.
        js=[],
        width=1200,
        height=120 + 52 * len(shown),
        legend_at_bottom=True,
        print_values=True,
        show_y_guides=True,
        # Where bars begin: without it at the shortest one's end.
        zero=0.01,
        title="Ours as a multiple of the other (logarithmic; less is better)",
        value_formatter=lambda ratio: f"{ratio:.3g}",
    )
    chart.y_labels = [0.01, 0.03, 0.1, 0.3, 1, 3, 10]
    chart.range = (min([0.01, *(row.ratio for row in shown)]), max([10, *(row.ratio for row in shown)]))
    # The first is drawn lowest.
    shown.reverse()
    chart.x_labels = [f"{row.work} / {row.against}" for row in shown]
    chart.add("measured", [row.ratio for row in shown])
    chart.add("the goal: at most", [row.most for row in shown])
    chart.add_xml_filter(_without_scripts)
    return str(chart.render(is_unicode=True))


def _without_scripts(root: Element) -> Element:
    """A picture runs nothing: the scripts are for tooltips."""
    for parent in root.iter():
        for child in [each for each in parent if str(each.tag).endswith("script")]:
            parent.remove(child)
    return root
