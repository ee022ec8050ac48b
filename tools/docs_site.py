"""What the site of docs/ has beside the files there; MkDocs calls it (`hooks` in mkdocs.yml).

- The reference: a page for each package of the library, made of its public names.
- The page of each construct below "Constructs", in the order of the alphabet.
- Mermaid, from node_modules: a reader's browser fetches nothing from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MERMAID = ROOT / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"

#: Packages of the reference, and what each is about.
PACKAGES = {
    "feature_store": "Feature store",
    "training": "Training pipelines and the model registry",
    "serving": "Endpoints and releases",
    "monitoring": "Monitors",
    "studio": "Studio domains, networks, personas",
    "delivery": "Delivery, cost, governance",
    "common": "What all constructs share",
    "runtime": "At run time: ingestion, online reads, training sets",
}


# Links that a reader clicks are no fetching.
_FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?https?:[^>]*>"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preconnect|preload))[^>]*\bhref=["']?https?:[^>]*>"""
)
_MERMAID_TAG = re.compile(r'<script src="[^"]*mermaid\.tiny\.js"></script>')
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)#\s]+)(#[^)\s]*)?\)")
_DIAGRAM = re.compile(r'<pre class="mermaid">.*?</pre>', re.DOTALL)


def public_names() -> dict[str, list[str]]:
    """The dotted names of what users import, by package."""
    import mlops_constructs
    import mlops_constructs.runtime

    found: dict[str, list[str]] = {package: [] for package in PACKAGES}
    for name, home in sorted(mlops_constructs._HOMES.items()):
        found[home.partition(".")[0]].append(f"mlops_constructs.{home}.{name}")
    for name in sorted(mlops_constructs.runtime.__all__):
        found["runtime"].append(f"mlops_constructs.runtime.{name}")
    return found


def reference() -> dict[str, str]:
    """The pages of the reference by their paths in the site."""
    overview = "\n\n".join(
        f"## [{PACKAGES[package]}]({package}.md)\n\n"
        + ", ".join(_link(package, name) for name in names)
        for package, names in public_names().items()
    )
    pages = {
        "reference/index.md": "# Python reference\n\n"
        "Made from the code. Everything is imported from `mlops_constructs`, and what jobs and "
        f"notebooks use from `mlops_constructs.runtime`.\n\n{overview}\n"
    }
    for package, names in public_names().items():
        parts = "\n\n".join(f"::: {name}" for name in names)
        pages[f"reference/{package}.md"] = f"# {PACKAGES[package]}\n\n{parts}\n"
    return pages


def _link(package: str, dotted: str) -> str:
    name = dotted.rpartition(".")[2]
    return f"[`{name}`]({package}.md#{dotted})"


def on_config(config: Any) -> Any:
    """Fill the parts of the navigation whose pages are found and not listed."""
    constructs = sorted(path.name for path in (DOCS / "constructs").glob("*.md"))
    constructs.sort(key=lambda name: name != "index.md")
    named = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {
        "constructs/": [f"constructs/{name}" for name in constructs],
        "reference/": list(reference()),
        "others": [
            str(path.relative_to(DOCS))
            for path in sorted(DOCS.rglob("*.md"))
            if path.parent.name != "constructs" and f" {path.relative_to(DOCS)}\n" not in named
        ],
    }
    config["nav"] = list(_filled(config["nav"], pages))
    return config


def _filled(entries: Iterable[Any], pages: Mapping[str, list[str]]) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, str):
            # A whole list in the place of its name.
            yield from pages.get(entry, [entry])
            continue
        for title, inside in entry.items():
            if isinstance(inside, str):
                yield {title: pages.get(inside, inside)}
            else:
                yield {title: list(_filled(inside, pages))}


def on_files(files: Any, config: Any) -> Any:
    """Add the files that are not in docs/."""
    from mkdocs.structure.files import File

    for path, content in reference().items():
        files.append(File.generated(config, path, content=content))
    script = "javascripts/mermaid.tiny.js"
    files.append(File.generated(config, script, abs_src_path=str(MERMAID)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Name files of the repository that a page links to and the site does not have."""
    folder = (DOCS / page.file.src_uri).parent

    def named(link: re.Match[str]) -> str:
        target = (folder / link["target"]).resolve()
        if target.is_relative_to(DOCS) or not target.exists():
            return link[0]
        path = f"`{target.relative_to(ROOT)}`"
        return path if link["text"].strip("`") in path else f"{link['text']} ({path})"

    return _LINK.sub(named, markdown)


def on_post_page(output: str, page: Any, **_: Any) -> str:
    """Refuse what a browser would fetch from elsewhere; 2.5 MB of Mermaid only for diagrams."""
    if found := _FETCHED.search(output):
        raise RuntimeError(f"{page.file.src_uri} fetches from elsewhere: {found[0]}")
    return output if 'class="mermaid"' in output else _MERMAID_TAG.sub("", output)


def on_page_content(html: str, **_: Any) -> str:
    """Give each diagram a frame in which it can be moved."""
    return _DIAGRAM.sub(r'<div class="diagram">\g<0></div>', html)
