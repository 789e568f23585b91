"""The Robots Exclusion Protocol, RFC 9309 (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.sites.urls import encoded

AGENT = "footnote"
_LONGEST_DELAY_S = 10.0


@dataclass(frozen=True, slots=True)
class Robots:
    """What a site asks of us."""

    rules: tuple[tuple[str, bool], ...] = ()  # path pattern, allowed
    delay_s: float = 0.0  # between two requests; not in the RFC, widely used

    def allows(self, target: str) -> bool:
        """Whether path and query may be read: the longest matching rule decides, allow wins ties."""
        matching = [(len(pattern), allowed) for pattern, allowed in self.rules if _matches(pattern, target)]
        return max(matching)[1] if matching else True


NOTHING_ALLOWED = Robots((("/", False),))


def parse_robots(text: str) -> Robots:
    """The rules of the group that names us, or else of `*`; groups for one name are joined."""
    agents: set[str] = set()
    groups: dict[str, list[tuple[str, str]]] = {}
    in_rules = False
    for line in text.splitlines():
        key, _, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if key == "user-agent":
            agents = {value.lower()} if in_rules else agents | {value.lower()}
            in_rules = False
            groups.setdefault(value.lower(), [])
        elif key in {"allow", "disallow", "crawl-delay"}:
            in_rules = True
            for agent in agents:
                groups[agent].append((key, value))
    lines = groups.get(AGENT, groups.get("*", []))
    rules = tuple((encoded(value), key == "allow") for key, value in lines if key != "crawl-delay" and value)
    return Robots(rules, max((_delay_s(value) for key, value in lines if key == "crawl-delay"), default=0.0))


def _matches(pattern: str, target: str) -> bool:
    """`*` is any run of characters, a final `$` the end; everything else is a prefix.

    Each part is looked for behind the one before, which takes no longer than the parts are long: a regular
    expression of many stars can be made to run for hours, and it is the site that writes the pattern.
    """
    first, *others = pattern.removesuffix("$").split("*")
    if not target.startswith(first):
        return False
    at = len(first)
    last = others.pop() if pattern.endswith("$") and others else None
    for part in others:
        found = target.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    if last is not None:
        return len(target) - at >= len(last) and target.endswith(last)
    return not pattern.endswith("$") or at == len(target)


def _delay_s(value: str) -> float:
    return min(float(value), _LONGEST_DELAY_S) if re.fullmatch(r"\d{1,4}(\.\d{1,4})?", value) else 0.0
