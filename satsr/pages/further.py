"""The further metrics on the report: a row each, with a sentence on what it says."""

from collections.abc import Mapping
from typing import TypeVar

from satsr.pages.page import Cell, Table, metric, number_cell

SAYS = {
    "ergas": "Error of all bands together in per cent of their means, times the fine over the coarse pixel.",
    "uiqi": "Likeness of brightness, contrast and structure in windows of 8 pixels, band by band; 1 is equal.",
    "q2n": "The same of all bands as one number, so that colours count, in blocks of 32 pixels; 1 is equal.",
    "sam_deg": "Angle between the spectra of output and reference.",
    "opensr_reflectance": "What the output, shrunk again, differs from the input by.",
    "opensr_spectral": "Angle between the spectra of the output, shrunk again, and the input.",
    "opensr_spatial": "How far the output, shrunk again, lies from the input.",
    "opensr_synthesis": "Detail added to the enlarged input, right or not.",
    "opensr_improvement": "Share of the detail that is the reference's.",
    "opensr_omission": "Share of the reference's detail that is missing.",
    "opensr_hallucination": "Share of the detail that neither the reference nor the input has.",
    "frc_period": "Shortest period of a pattern that is still the reference's (ring correlation of 1/7). A pixel shows "
    "periods of two pixels.",
    "lpips": "Unlikeness as people see it, by the features of a network that knows pictures (AlexNet); 0 is equal.",
    "warping_error": "Change between frames that motion does not explain. Blur lowers it too, so compare it with the "
    "gap.",
    "warping_error_gap": "How far that is from the reference's own, as a share of it: 0 flickers as the truth does.",
}
Value = TypeVar("Value")
BETTER = {1: "higher", -1: "lower", 0: ""}


def says(name: str) -> str | None:
    """What a further metric tells; None for a metric of a paper's own protocol."""
    known = [family for family in SAYS if f"{name}_".startswith(f"{family}_")]
    return SAYS[max(known, key=len)] if known else None


def main(scores: Mapping[str, Value]) -> dict[str, Value]:
    """Without the further metrics."""
    return {name: value for name, value in scores.items() if says(name) is None}


def table(summary: Mapping[str, Mapping[str, float]]) -> Table | None:
    """A row per further metric: its value by each method, which way is better, and what it says; None without any.

    Args:
        summary: method -> metric -> value.
    """
    names = [name for name in dict.fromkeys(n for scores in summary.values() for n in scores) if says(name)]
    rows = []
    for name in names:
        shown = metric(name)
        values = [scores.get(name) for scores in summary.values()]
        cells = [number_cell(shown.text(value), value) for value in values]
        label = f"{shown.label}, {shown.unit}" if shown.unit else shown.label
        words = (BETTER[shown.better], says(name) or "", name)
        rows.append([Cell(label, label), *cells, *(Cell(text, text) for text in words)])
    columns = [
        ("metric", ""),
        *((method, "") for method in summary),
        ("better", ""),
        ("what it says", ""),
        ("name", ""),
    ]
    return Table(columns, rows) if rows else None
