"""The model card: what a version is, how good, on which data, at what cost, and what it must not be used for."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from satsr.exported.facts import KINDS
from satsr.pages import gains as words
from satsr.pages.page import metric
from satsr.paper import Paper
from satsr.register.cost import Cost
from satsr.register.flavor import sentence
from satsr.register.gates import Gate, passed
from satsr.register.markdown import escaped
from satsr.register.registry import About
from satsr.scores import BASELINE, CONSTRAINED, EXPORTED, PER_BAND, UNCONSTRAINED, Interval

if TYPE_CHECKING:
    from satsr.register.facts import Facts

SPACE = "\N{NO-BREAK SPACE}" * 3
ROLES = {
    "network": "last weights",
    EXPORTED: "averaged weights",
    CONSTRAINED: "averaged weights, constrained",
    UNCONSTRAINED: "averaged weights, unconstrained",
}
USE = (
    "Research and visual interpretation of imagery like the training data. Super-resolved detail is inferred, not "
    "measured: do not count, measure or identify things on it without checking against the input."
)


def about(paper: Paper[Any], name: str, described: Mapping[str, Any]) -> About:
    """What the registered model ``name`` says on the registry's first pages, above its versions.

    Args:
        paper: its recipe.
        name: with the variant.
        described: what the exported graph says about itself (:meth:`satsr.paper.Paper.describe`).
    """
    takes, scale = KINDS[described["kind"]].words, described["scale"]
    single = described["kind"] == "series" and paper.example()[0]["x"].ndim == 4  # a variant of the nearest date only
    given = sentence(described, "image" if single else described["kind"], described["channels"])
    lines = [
        f"{paper.title}. Takes {takes}, gives {scale} times as many pixels a side.",
        "",
        f"{paper.citation}.",
        "",
        "- `champion` is the version to use, `challenger` the newest one. A version is pending, approved or rejected; "
        "it comes with its model card, its gain over bicubic and its gates.",
        f"- `satsr review --model {name}` lists the versions beside the champion, `satsr review approve {name}/2 --why "
        '"..."` decides, `satsr compare` puts models side by side.',
        f"- `satsr upscale input output --model {name}@champion` applies it, and so does `mlflow models serve -m "
        f"models:/{name}@champion --env-manager local`, where satsr is installed. It takes {given}.",
    ]
    return About("\n".join(lines), {"paper": paper.name, "task": paper.title.partition(", ")[2] or paper.title})


def model_card(paper: Paper[Any], facts: "Facts", outcome: Sequence[Gate]) -> str:
    """Markdown for the registry's description; the first line stands for itself, since lists show no more."""
    metrics, manifest, parity = facts.metrics, facts.manifest, facts.parity
    lines = [
        f"{headline(paper, metrics, facts.gains)}. {'All gates passed' if passed(outcome) else 'Gates FAILED'}.",
        "",
        f"**{paper.title}.** {paper.citation}. Trained with the {metrics['profile']} profile on "
        f"{escaped(str(manifest['card'].get('name', metrics['dataset'])))}.",
        "",
        *_quality(metrics, parity["role"], facts.gains),
        "",
        *[line for note in (*words.notes(facts.gains), words.NOTE) for line in (note, "")],
        *_radiometry(paper, metrics, parity["role"]),
        f"Verdict on the published result: {metrics['verdict']['word']}. {metrics['verdict']['sentence']}",
        "",
        "**Gates**",
        "",
        *[f"- {'passed' if gate.passed else '**FAILED**'}: {gate.sentence}" for gate in outcome],
        "",
        "**Cost**",
        "",
        *_cost(facts.cost, parity),
        "",
        "**Where it comes from**",
        "",
        f"- references `{facts.references_sha256[:16]}`, inputs `{facts.inputs_sha256[:16]}` ({facts.degradation}), "
        f"whole store `{manifest['store_sha256'][:16]}`",
        f"- code `{str(manifest['git']['commit'])[:12]}`{' with local changes' if manifest['git']['dirty'] else ''}, "
        f"seed {manifest['seed']}, weights `{facts.lineage[:16]}`, ONNX `{parity['sha256'][:16]}`",
        "- the run's artifacts: `report/report.html`, `report/samples`, `report/validation.html`, `manifest.json`",
        "",
        f"**Use.** {USE}",
    ]
    return "\n".join(lines) + "\n"


def headline(paper: Paper[Any], metrics: dict[str, Any], gains: Mapping[str, Interval]) -> str:
    """The gain that decides: ``+1.08 dB [0.71, 1.4] PSNR over bicubic (95 %, 20 scenes) on clips (quick profile)``."""
    name, where = paper.decides[0], f"on {escaped(metrics['dataset'])} ({metrics['profile']} profile)"
    if name not in gains or gains[name].mean is None:
        return f"No {metric(name).label} {where}"
    found = words.brief(name, gains[name])
    return f"{found} {metric(name).label} over bicubic ({words.over(gains[name])}) {where}"


def _quality(metrics: dict[str, Any], role: str, gains: Mapping[str, Interval]) -> list[str]:
    methods = metrics["methods"]
    others = [method for method in methods if method not in (BASELINE, role)]
    columns = [BASELINE, f"this model ({ROLES[role]})", "gain, 95 %", *(ROLES[other] for other in others)]
    lines = [_row(["metric", *columns]), "|---" + "|---:" * len(columns) + "|"]
    for name, baseline in methods[BASELINE].items():
        if name.startswith(PER_BAND):
            continue
        shown, ours = metric(name), methods[role].get(name)
        cells = [f"{shown.label}{f', {shown.unit}' if shown.unit else ''} (`{name}`)", shown.text(baseline)]
        cells += [shown.text(ours), words.brief(name, gains[name]) if name in gains else "–"]
        cells += [shown.text(methods[other].get(name)) for other in others]
        lines.append(_row(cells))
    return lines


def _radiometry(paper: Paper[Any], metrics: dict[str, Any], role: str) -> list[str]:
    """How results are held to their input, and what made small again they differ by in each band."""
    ours, start = metrics["methods"][role], "consistency_bias_"
    bands = [name.removeprefix(start) for name in ours if name.startswith(start)]
    found = [f"{escaped(band)} {ours[start + band]:+.2f} ({ours[f'consistency_rmse_{band}']:.2f})" for band in bands]
    if not found:
        return []
    return [
        f"**Radiometry.** Constraint by default: `{paper.constraint}`. Made small again, a result differs from its "
        f"input by a bias (and an RMSE) of {', '.join(found)}, in native units.",
        "",
    ]


def _row(cells: list[str]) -> str:
    """A row of a table; MLflow draws them without any space between columns, so each cell brings its own."""
    return "| " + " | ".join([cells[0], *(f"{SPACE}{cell}" for cell in cells[1:])]) + " |"


def _cost(cost: Cost, parity: dict[str, Any]) -> list[str]:
    memory = "" if cost.peak_mb is None else f", peak memory {cost.peak_mb:.0f} MB"
    return [
        f"- {cost.parameters:,} parameters, {parity['megabytes']:.1f} MB as ONNX, which deviates from the network by "
        f"at most {parity['max_abs']:.1e}",
        f"- {cost.gmac:.2f} GMAC and {cost.milliseconds:.0f} ms for one image{memory} (`{cost.inputs}`, {cost.images} "
        f"image{'s' if cost.images > 1 else ''} out, {cost.machine})",
    ]
