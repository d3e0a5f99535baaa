"""The pages of the site that are made of other files: a hook of MkDocs.

The start page is the README, the pages of the papers are made of their recipes, profiles, cards and published figures,
those of the notebooks of what their cells gave, the page of layouts and the API of docstrings.
Nothing of the project is imported: sources are read as text.
"""

import ast
import json
import posixpath
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))
import notebooks
from docstrings import markdown

ROOT = Path(__file__).resolve().parents[2]
COPIES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "golden.md": "tests/golden/README.md",
}
API = {
    "load": ("Applying a model", ["satsr.exported.model.load", "satsr.exported.model.Model", "satsr.exported.facts"]),
    "metrics": (
        "Metrics",
        [
            "satsr.metrics",
            *(f"satsr.metrics.{name}" for name in ("pixels", "similarity", "registered", "naturalness")),
            *(f"satsr.metrics.{name}" for name in ("spectral", "opensr", "frequency", "temporal")),
        ],
    ),
    "degrade": ("Coarse images and values", ["satsr.degrade", "satsr.resize", "satsr.radiometry"]),
    "models": ("Networks", ["models", "models.shared.weights", "models.shared.deform"]),
    "papers": (
        "Papers and kinds",
        ["satsr.paper", "satsr.train.objectives", "satsr.kinds.sampling"]
        + [f"satsr.kinds.{kind}.paper" for kind in ("video", "image", "series", "imageset")],
    ),
    "data": ("Data", ["satsr.download.card", "satsr.convert.convert", "satsr.convert.splits", "satsr.store.store"]),
    "train": ("Training", ["satsr.config.recipe", "satsr.config.data", "satsr.train.loop", "satsr.train.start"]),
    "register": ("Registry", ["satsr.register.gates", "satsr.register.decisions", "satsr.tracking.versions"]),
}
SIGNATURES_ONLY = {"satsr.metrics"}
FOREIGN = re.compile(r"""<(?:script|img|iframe)[^>]+src="?(?:https?:)?//[^\s>]+|<link[^>]+href="?https?://[^\s>]+""")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Adds the pages that are made."""
    made: dict[str, str | bytes] = {
        target: (ROOT / origin).read_text(encoding="utf-8") for target, origin in COPIES.items()
    }
    made |= {f"papers/{paper}.md": paper_page(paper) for paper in read_yaml("params.yaml")["papers"]}
    made |= {f"api/{name}.md": api_page(title, modules) for name, (title, modules) in API.items()}
    made["layouts.md"] = layouts_page()
    made |= notebook_pages()
    for place, content in made.items():
        files.append(File.generated(config, place, content=content))
    return files


def on_page_markdown(text: str, page: Any, **_: Any) -> str:
    """Links of the repository's files become links of the site; those to sources become code."""
    place = page.file.src_uri
    here = posixpath.dirname(COPIES.get(place, f"docs/{place}"))
    pages = {origin: target for target, origin in COPIES.items()}

    def linked(found: re.Match[str]) -> str:
        mark, words, path, anchor = found[1], found[2], found[3], found[4] or ""
        if not path or "://" in path or path.startswith("mailto:"):
            return found[0]
        wanted = posixpath.normpath(posixpath.join(here, path))
        target = pages.get(wanted) or (wanted.removeprefix("docs/") if wanted.startswith("docs/") else None)
        if target is None:
            return f"`{wanted}`"
        target = re.sub(r"^(notebooks/\w+)\.ipynb$", r"\1.md", target)
        return f"{mark}[{words}]({posixpath.relpath(target, posixpath.dirname(place) or '.')}{anchor})"

    return LINK.sub(linked, text)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuses pages that would fetch something from elsewhere when they are read."""
    found = FOREIGN.findall(output)
    if found:
        raise PluginError(f"{page.file.src_uri} would load {', '.join(found)}: pages load nothing from elsewhere.")
    return output


def docstring(path: str) -> str:
    """The docstring of a source file, as Markdown."""
    return markdown(ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) or "")


def read_yaml(path: str) -> Any:
    """The content of a YAML file."""
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def paper_page(paper: str) -> str:
    """What a paper is, its data, commands, profiles, published figures and deviations."""
    title, *parts = docstring(f"pipelines/{paper}.py").split("\n\n")
    labelled = [line.split("\n") for line in re.split(r"\n(?=(?:Data|Target|Recipe|Deviations): )", "\n".join(parts))]
    facts = dict(" ".join(lines).split(": ", 1) for lines in labelled)
    profiles = read_yaml(f"pipelines/{paper}.yaml")
    what = title.partition(": ")[2] or title
    lines = [f"# {re.split('[ :]', title)[0]}", "", _capital(what), ""]
    for name in ("Data", "Target", "Recipe"):
        lines += [f"**{name}.** {_capital(facts[name])}", ""]
    lines += _commands(paper, profiles)
    lines += ["## Profiles", "", *_profiles(profiles), ""]
    lines += ["## Data sets", "", *_cards(profiles), ""]
    lines += ["## What is exact", "", _exact(), ""]
    lines += ["## What deviates from the authors' code", "", _capital(facts["Deviations"]), ""]
    lines += ["## Published figures", "", *_published(read_yaml(f"pipelines/{paper}.published.yaml")), ""]
    bare = _options(3, show_root_heading="false", show_root_toc_entry="false")
    lines += ["## What can be set", "", f"::: pipelines.configs.{paper}", *bare, ""]
    lines += ["## The recipe", "", f"::: pipelines.{paper}", *bare, ""]
    return "\n".join(lines)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _commands(paper: str, profiles: dict[str, Any]) -> list[str]:
    """The commands of the quick and of the full recipe."""
    other = next((name for name in profiles if name not in ("quick", "paper")), None)
    commands = {
        f"make train_{paper}": "from a clean clone: embedded scenes, two CPU cores, minutes",
        f"zenml pipeline run train_{paper}": f"the pipeline again; `dvc repro register@{paper}` is the same",
        **({f"satsr set {paper} profile={other}": "another profile, then either door"} if other else {}),
        f"satsr set {paper} profile=paper": "the full recipe, then either door",
    }
    width = max(map(len, commands)) + 3
    lines = [f"{command:<{width}}# {words}" for command, words in commands.items()]
    note = "No full recipe has been run to its end here: that needs a GPU and the published data."
    return ["## Commands", "", "```sh", *lines, "```", "", note, ""]


def _profiles(profiles: dict[str, Any]) -> list[str]:
    """A table of a paper's profiles."""
    variants = any("variant" in profile["network"] for profile in profiles.values())
    columns = ["profile", *(["variant"] if variants else []), "data", "steps", "batch"]
    rows = [columns, ["---"] * len(columns)]
    for name, profile in profiles.items():
        train = profile["train"]
        variant = [profile["network"].get("variant", "the paper's")] if variants else []
        steps = f"{train['iterations']:,}" if "iterations" in train else "the variant's"
        card = f"`{Path(profile['data']).stem}`"
        rows.append([f"`{name}`", *variant, card, steps, str(train.get("batch", "the variant's"))])
    return [f"| {' | '.join(row)} |" for row in rows]


def _cards(profiles: dict[str, Any]) -> list[str]:
    """What the cards of a paper's profiles say."""
    lines = []
    for path in dict.fromkeys(profile["data"] for profile in profiles.values()):
        card = read_yaml(path)
        (source,) = card["source"]
        lines += [
            f"**`{card['name']}`**: {card['title']}. Source: {source}; layout: `{card['layout']}`; "
            f"licence: {card['licence']}.",
            "",
            f"{' '.join(card.get('notes', '').split())}",
            "",
        ]
    return lines


def _exact() -> str:
    return (
        "The networks have the authors' names, order and shapes of parameters, so that published checkpoints load "
        "strictly, and give their numbers: [how exact each is](../networks.md). The exported graph equals the network "
        "on several sizes before it is registered."
    )


def _published(claim: dict[str, Any]) -> list[str]:
    """The published table, and where it stands."""
    lines = [f"Source: {claim['source']}.", ""]
    if not claim["rows"]:
        return lines
    columns = list(dict.fromkeys(name for row in claim["rows"].values() for name in row))
    lines += [f"| method | {' | '.join(f'`{name}`' for name in columns)} |", "|---|" + "---|" * len(columns)]
    rows = claim["rows"].values()
    digits = {name: max(len(str(row[name]).partition(".")[2]) for row in rows if name in row) for name in columns}
    for method, row in claim["rows"].items():
        cells = (f"{row[name]:.{digits[name]}f}" if name in row else "–" for name in columns)
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return [*lines, "", f"`{claim['metric']}` of {claim['method']} on `{claim['data']['card']}` decides."]


def layouts_page() -> str:
    """A table of the layouts, and each module with its options."""
    folder = "satsr/convert/layouts"
    tree = ast.parse((ROOT / folder / "__init__.py").read_text(encoding="utf-8"))
    (table,) = [node.value for node in tree.body if isinstance(node, ast.AnnAssign)]
    found = {key.value: ast.unparse(value).split(".") for key, value in zip(table.keys, table.values, strict=True)}
    lines = ["# Layouts", "", "A layout of a data set is one module. How to use them: [your data](data.md).", ""]
    lines += ["| layout | module | what it reads |", "|---|---|---|"]
    for name, (module, _) in found.items():
        first = docstring(f"{folder}/{module}.py").split("\n\n")[0].replace("\n", " ")
        lines.append(f"| `{name}` | [`{module}`](#satsr.convert.layouts.{module}) | {first} |")
    for module in dict.fromkeys(module for module, _ in found.values()):
        lines += ["", f"::: satsr.convert.layouts.{module}", *_options(2)]
    return "\n".join(
        ["", *lines, "", "::: satsr.convert.ground.tiles.Tiles", "", "::: satsr.convert.ground.passes.Passes", ""]
    )


def notebook_pages() -> dict[str, str | bytes]:
    """The pages of the notebooks with their pictures; the notebooks themselves lie beside them."""
    made = dict[str, str | bytes]()
    for path in sorted((ROOT / "docs/notebooks").glob("*.ipynb")):
        found = notebooks.pages(json.loads(path.read_text(encoding="utf-8")), path.stem)
        made |= {f"notebooks/{name}": content for name, content in found.items()}
    return made


def api_page(title: str, names: list[str]) -> str:
    """Docstrings of modules, classes and functions."""
    lines = [f"# {title}", ""]
    for name in names:
        lines += [f"::: {name}", *_options(2, **({"members": "false"} if name in SIGNATURES_ONLY else {})), ""]
    return "\n".join(lines)


def _options(level: int, **more: str) -> list[str]:
    return ["    options:", f"      heading_level: {level}", *(f"      {key}: {value}" for key, value in more.items())]
