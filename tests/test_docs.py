"""The docs say what the code does: settings, commands, tree, links, compose variables."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from app.settings import PREFIX, Settings, load_settings
from app.trusted_hosts import allowed_names
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text()
BEGIN, END = "<!-- settings:begin -->\n", "<!-- settings:end -->"


def settings_table() -> str:
    """The settings as docs/operations.md shows them; `python -m tests.test_docs` writes it."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def test_every_setting_is_documented_with_its_default() -> None:
    operations = (ROOT / "docs" / "operations.md").read_text()
    assert operations.split(BEGIN)[1].split(END)[0] == settings_table()


def test_the_commands_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"^(?:`|)make ([a-z-]+)", README, flags=re.MULTILINE)) <= targets
    shown = subprocess.run(
        [sys.executable, "-m", "app.cli", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    named = set(re.findall(r"^footnote ([a-z]+)\b", README, flags=re.MULTILINE))
    assert named
    assert all(re.search(rf"^\W*{command}\b", shown, flags=re.MULTILINE) for command in named)


def test_every_path_in_the_tree_exists() -> None:
    tree = (ROOT / "docs" / "code.md").read_text().split("## The tree")[1].split("```")[1]
    paths = [line.split()[0] for line in tree.splitlines() if line.strip()]
    assert len(paths) > 20
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert missing == []


@pytest.mark.parametrize(
    "path", [Path("README.md"), *sorted(p.relative_to(ROOT) for p in (ROOT / "docs").rglob("*.md"))], ids=str
)
def test_links_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", (ROOT / path).read_text())
    assert [target for target in targets if not (ROOT / path).parent.joinpath(target).exists()] == []


def test_compose_variables_are_settings() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    used = {
        name
        for service in compose["services"].values()
        for name in service.get("environment", {})
        if name.startswith(PREFIX)
    }
    assert used <= known
    assert {"FOOTNOTE_DATA_DIR", "FOOTNOTE_DATABASE_URL", "FOOTNOTE_API_URL"} <= used


def test_compose_publishes_on_loopback_only_and_checks_health() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(services) == {"api", "worker", "ui", "postgres"}
    assert all("healthcheck" in service for service in services.values())
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_api_of_compose_answers_to_the_interface_whatever_other_names_are_allowed() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    called = services["ui"]["environment"]["FOOTNOTE_API_URL"]
    names = allowed_names(load_settings({}, api_url=services["api"]["environment"]["FOOTNOTE_API_URL"]))
    assert urlsplit(called).hostname in names
    assert services["api"]["environment"]["FOOTNOTE_ALLOWED_HOSTS"] == "${FOOTNOTE_ALLOWED_HOSTS:-}"


def main() -> None:
    path = ROOT / "docs" / "operations.md"
    before, rest = path.read_text().split(BEGIN)
    path.write_text(before + BEGIN + settings_table() + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
