"""What a site asks of programs in its robots.txt, and that it is done."""

from __future__ import annotations

import time

import pytest

from app.sites.robots import parse_robots
from tests.app.web_site import WebSite, refusal, visit

TEXT = """
User-agent: *
Disallow: /

User-agent: other
User-agent: Footnote   # that is us
Disallow: /private
Allow: /private/open
Disallow: /*.pdf$
Crawl-delay: 2
"""


def test_the_longest_rule_of_our_group_decides() -> None:
    robots = parse_robots(TEXT)
    allowed = ["/", "/public", "/private/open/x", "/a.pdf?page=1"]
    refused = ["/private", "/private/x", "/docs/a.pdf"]
    assert [robots.allows(target) for target in allowed + refused] == [True] * 4 + [False] * 3
    assert robots.delay_s == 2.0


def test_without_our_name_the_group_of_everyone_counts() -> None:
    assert not parse_robots("User-agent: *\nDisallow: /").allows("/x")
    assert parse_robots("User-agent: other\nDisallow: /").allows("/x")
    assert parse_robots("User-agent: *\nDisallow:").allows("/x")
    assert parse_robots("<html>not found</html>").allows("/x")


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/a*c", ["/abc", "/ac", "/abbcd"], ["/ab", "/xabc"]),
        ("/a*c$", ["/abc", "/acc", "/abcxc"], ["/abcd"]),
        ("/a*b*c$", ["/abc", "/axbxc", "/abcbc"], ["/acb", "/ac"]),
        ("*.pdf", ["/a.pdf", "/a.pdf?x=1"], ["/a.txt"]),
        ("/a$", ["/a"], ["/ab", "/"]),
        ("/*aba$", ["/aba", "/ababa"], ["/ab", "/abab"]),
        ("/aa*aa$", ["/aaaa", "/aaxaa"], ["/aaa"]),
        ("/müll", ["/m%C3%BCll/1"], ["/mull"]),
    ],
)
def test_stars_and_ends_of_patterns(pattern: str, matching: list[str], others: list[str]) -> None:
    robots = parse_robots(f"User-agent: *\nDisallow: {pattern}")
    assert [robots.allows(target) for target in matching + others] == (
        [False] * len(matching) + [True] * len(others)
    )


def test_a_pattern_that_is_made_to_take_for_ever_takes_no_time() -> None:
    robots = parse_robots("User-agent: *\nDisallow: /" + "*a" * 200 + "*b")
    started = time.monotonic()
    assert robots.allows("/" + "a" * 900)
    assert time.monotonic() - started < 0.5


def test_of_a_file_without_end_the_beginning_counts(site: WebSite) -> None:
    text = b"\xef\xbb\xbfUser-agent: *\nDisallow: /no\n" + b"# nothing more\n" * 50_000
    assert len(text) > 512 * 1024
    site.send("/robots.txt", text, "text/plain")
    site.html("/no", "not for programs")
    site.html("/yes", "for everyone")
    assert refusal(site, "/no").code == "url_robots_disallowed"
    assert b"everyone" in visit(site, "/yes")


def test_what_it_forbids_is_not_asked_for(site: WebSite) -> None:
    site.send("/robots.txt", b"User-agent: *\nDisallow: /no", "text/plain")
    site.html("/no", "not for programs")
    site.redirect("/yes", "/no")
    assert refusal(site, "/no").code == "url_robots_disallowed"
    assert refusal(site, "/yes").code == "url_robots_disallowed"
    assert "/no" not in site.asked


def test_a_site_in_trouble_allows_nothing_and_one_without_the_file_everything(site: WebSite) -> None:
    site.html("/", "hello")
    assert b"hello" in visit(site, "/")
    site.send("/robots.txt", b"", "text/plain", 503)
    assert refusal(site, "/").code == "url_robots_disallowed"
