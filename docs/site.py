"""What MkDocs needs beside the pages of docs/ (a hook of mkdocs.yml).

The site has pages for files in the root of the repository, and an index of the decisions. Links to files that are not
part of the site lead to the repository if `repo_url` is set, and are plain text otherwise.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
FROM_ROOT = {
    "contributing.md": "CONTRIBUTING.md",
    "report-a-vulnerability.md": "SECURITY.md",
    "changelog.md": "CHANGELOG.md",
}
LINK = re.compile(r"(?<!!)\[(?P<text>[^]]+)\]\((?P<target>[^)#:]+)(?P<anchor>#[^)]*)?\)")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    for name, source in FROM_ROOT.items():
        files.append(File.generated(config, name, content=_from_root((ROOT / source).read_text())))
    files.append(File.generated(config, "decisions/index.md", content=_decisions()))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    folder = (ROOT / "docs" / page.file.src_uri).parent
    generated = {ROOT / source: ROOT / "docs" / name for name, source in FROM_ROOT.items()}

    def link(match: re.Match[str]) -> str:
        target = (folder / match["target"]).resolve()
        if target in generated:
            return f"[{match['text']}]({os.path.relpath(generated[target], folder)}{match['anchor'] or ''})"
        inside = target.relative_to(ROOT / "docs").as_posix() if target.is_relative_to(ROOT / "docs") else ""
        if files.get_file_from_path(inside) or not target.exists():
            return match[0]  # MkDocs warns where there is no such page
        if config.repo_url:
            return f"[{match['text']}]({config.repo_url.rstrip('/')}/blob/main/{target.relative_to(ROOT)})"
        return match["text"]

    return LINK.sub(link, markdown)


def _from_root(text: str) -> str:
    """Make links that start in the root of the repository start in docs/."""

    def link(match: re.Match[str]) -> str:
        target = match["target"]
        moved = target.removeprefix("docs/") if target.startswith("docs/") else f"../{target}"
        return f"[{match['text']}]({moved}{match['anchor'] or ''})"

    return LINK.sub(link, text)


def _decisions() -> str:
    titles = {path.name: path.read_text().splitlines()[0] for path in sorted((ROOT / "docs/decisions").glob("0*.md"))}
    rows = [f"- [{title.lstrip('# ')}]({name})" for name, title in titles.items()]
    return "\n".join(["# Decisions", "", "Why things are as they are.", "", *rows, ""])
