"""The model card: what a version is, how good, on which data, and what it must not be used for."""

from typing import Any

from satsr.gates import Gate
from satsr.paper import Paper


def model_card(paper: Paper, facts: dict[str, Any], outcome: list[Gate]) -> str:
    """Markdown for the registry's description."""
    metrics = facts["metrics"]
    methods = metrics["methods"]
    names = list(methods["bicubic"])
    lines = [
        f"# {paper.title}",
        "",
        f"{paper.citation}. Trained with the {metrics['profile']} profile on {metrics['dataset']}.",
        "",
        "| method | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for method, scores in methods.items():
        cells = [f"{scores[name]:.4f}" if scores.get(name) is not None else "-" for name in names]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Exported weights: `{facts['parity']['role']}`; ONNX deviates from the network by at most "
        f"{facts['parity']['max_abs']:.1e}.",
        f"Verdict on the published result: {metrics['verdict']['word']}. {metrics['verdict']['sentence']}",
        "",
        "Gates:",
        *[f"- {'passed' if gate.passed else 'FAILED'}: {gate.sentence}" for gate in outcome],
        "",
        f"Data {facts['manifest']['store_sha256'][:16]}, code {str(facts['manifest']['git']['commit'])[:12]}, "
        f"seed {facts['manifest']['seed']}.",
        "",
        "Use: research and visual interpretation of imagery like the training data. Super-resolved detail is inferred, "
        "not measured: do not count, measure or identify things on it without checking against the input.",
    ]
    return "\n".join(lines) + "\n"
