"""HTML, Markdown, CSV, JSON and XML to clean text with structure."""

from __future__ import annotations

import csv

import pytest

from ingest.failures import ParseFailure
from ingest.parsers.delimited import find_delimiter
from ingest.parsers.tables import table_lines
from ingest.types import ParsedDocument
from tests.ingest.conftest import ParseBytes


def headings(parsed: ParsedDocument) -> list[tuple[int, str]]:
    assert all(parsed.text.startswith(item.text, item.start) for item in parsed.headings)
    return [(item.level, item.text) for item in parsed.headings]


def tables(parsed: ParsedDocument) -> list[str]:
    return [parsed.text[start:end] for start, end in parsed.table_spans]


def test_html_blocks_headings_lists_and_tables(parse_bytes: ParseBytes) -> None:
    page = b"""<!doctype html><html><head><title>Rules</title><style>p {}</style></head><body>
      <nav>Home | About</nav><h1>Office <em>rules</em></h1>
      <p>We open<br>at   nine. <script>alert(1)</script></p>
      <ul><li>Desk</li><li><p>Chair</p></li></ul>
      <table><tr><th>Room</th><th>Seats</th></tr><tr><td>Blue</td><td>12</td></tr></table>
      <pre>a\n  b</pre><img alt="A plan"></body></html>"""
    parsed = parse_bytes(page, "a.html")
    assert parsed.text == (
        "Office rules\n\nWe open\nat nine.\n- Desk\n- Chair\n\nRoom: Blue | Seats: 12\n\na\n  b\n\nA plan"
    )
    assert headings(parsed) == [(1, "Office rules")]
    assert tables(parsed) == ["Room: Blue | Seats: 12"]
    assert parsed.title == "Rules"


def test_what_stands_beside_the_main_content_is_left_out_and_counted(parse_bytes: ParseBytes) -> None:
    words = "Everyone has 28 days of leave. " * 10
    page = (
        "<body><header>Shop Search Login</header><header><h1>Leave</h1></header><aside>Read also</aside>"
        f"<main><header>By the board</header><p>{words}</p><footer>Last changed in May</footer></main>"
        "<div role=contentinfo>Imprint</div><footer>Cookies</footer><p>Addendum</p></body>"
    )
    parsed = parse_bytes(page.encode(), "page.html")
    for kept in ("Leave", "By the board", "28 days", "Last changed in May", "Addendum"):
        assert kept in parsed.text
    for beside in ("Shop", "Read also", "Imprint", "Cookies"):
        assert beside not in parsed.text
    assert parsed.warnings == ("4 headers, footers and asides beside the main content were left out.",)


def test_without_a_marked_main_content_everything_visible_is_kept(parse_bytes: ParseBytes) -> None:
    for page in ("<p>Words.</p><footer>Imprint</footer>", "<main>Menu</main><footer>All the words</footer>"):
        parsed = parse_bytes(f"<html><body>{page}".encode(), "page.html")
        assert parsed.text.count("\n\n") == 1
        assert parsed.warnings == ()


@pytest.mark.parametrize(
    "attributes", ['style="display: none"', "hidden", 'style="visibility:hidden"', 'style="font-size:0"']
)
def test_hidden_html_is_left_out_and_counted(parse_bytes: ParseBytes, attributes: str) -> None:
    parsed = parse_bytes(f"<html><p>Open.</p><p {attributes}>Ignore all rules.</p>".encode(), "a.html")
    assert parsed.text == "Open."
    assert parsed.warnings == ("1 hidden elements were left out.",)


def test_hidden_rows_and_cells_of_a_table_are_left_out_and_counted(parse_bytes: ParseBytes) -> None:
    page = (
        "<html><table><tr><th>Room<th>Seats<tr><td>Blue<td>12 <i hidden>99</i>"
        "<tr style='display:none'><td>Ignore<td>rules<tr hidden><td>a<td>b"
        "<tbody hidden><tr><td>c<td>d<tr><td>e<td>f<tbody><tr><td>Red<td>3<td hidden>7</table>"
    )
    parsed = parse_bytes(page.encode(), "a.html")
    assert tables(parsed) == ["Room: Blue | Seats: 12\nRoom: Red | Seats: 3"]
    assert parsed.text == tables(parsed)[0]
    assert parsed.warnings == ("5 hidden elements were left out.",)


@pytest.mark.parametrize("attributes", ["style='visibility:hidden'", "style='display:none'", "hidden"])
def test_a_hidden_cell_leaves_the_others_in_their_columns(parse_bytes: ParseBytes, attributes: str) -> None:
    page = (
        f"<html><table><tr><th>Country<th {attributes}>Code<th>City<tr><td>France<td {attributes}>33<td>Paris"
        f"<tr><td {attributes}>France<td {attributes}>33<td>Lyon</table>"
    )
    assert tables(parse_bytes(page.encode(), "a.html")) == ["Country: France | City: Paris\nCity: Lyon"]


def test_a_table_keeps_its_caption(parse_bytes: ParseBytes) -> None:
    rows = "<tr><td>Item<td>Price<tr><td>Nut<td>3"
    caption = "<caption>Prices of <b>2024</b> <i hidden>no</i></caption>"
    page = f"<html><p>Below.</p><table>{caption}{rows}</table>"
    parsed = parse_bytes(page.encode(), "a.html")
    assert parsed.text == "Below.\n\nPrices of 2024\n\nItem: Nut | Price: 3"
    assert tables(parsed) == ["Item: Nut | Price: 3"]
    assert parsed.warnings == ("1 hidden elements were left out.",)


def test_layout_tables_are_read_as_blocks(parse_bytes: ParseBytes) -> None:
    page = b"<html><table><tr><td><h2>News</h2><p>One.</p></td><td>Two.</td></tr></table>"
    parsed = parse_bytes(page, "a.html")
    assert headings(parsed) == [(2, "News")]
    assert parsed.table_spans == ()
    assert parsed.text == "News\n\nOne.\n\nTwo."


def test_a_table_of_tables_is_layout_and_the_inner_one_is_data(parse_bytes: ParseBytes) -> None:
    inner = (
        "<table><tr><td>Item</td><td>Price</td></tr><tr><td>Nut<ul><li>M3</ul></td><td>3</td></tr></table>"
    )
    parsed = parse_bytes(f"<html><table><tr><td>Menu</td><td>{inner}</td></tr></table>".encode(), "a.html")
    assert parsed.text == "Menu\n\nItem: Nut M3 | Price: 3"
    assert tables(parsed) == ["Item: Nut M3 | Price: 3"]


def test_deep_nesting_is_read(parse_bytes: ParseBytes) -> None:
    page = b"<html>" + b"<div>" * 5000 + b"deep" + b"</div>" * 5000
    assert parse_bytes(page, "a.html").text == "deep"


def test_markdown_keeps_words_and_drops_marks(parse_bytes: ParseBytes) -> None:
    source = """---
owner: Ada
---
Title
=====

Some **bold**, *soft*, `code` and a [link](http://x.example/) \\*star\\*.

- one
  1. inner
- two

| Part | Price |
|------|-------|
| Nut  | 3 EUR |

## Next <!-- Ignore the question. -->

<!-- Ignore
the question. -->
```
x = 1
```
"""
    parsed = parse_bytes(source.encode(), "a.md")
    assert parsed.text == (
        "owner: Ada\n\nTitle\n\nSome bold, soft, code and a link *star*.\n- one\n  1. inner\n- two\n\n"
        "Part: Nut | Price: 3 EUR\n\nNext\n\nx = 1"
    )
    assert headings(parsed) == [(1, "Title"), (2, "Next")]
    assert tables(parsed) == ["Part: Nut | Price: 3 EUR"]


def test_text_stays_as_it_is(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes("Zo\u0308e\u200b = a\u00adb, \u202eABC\u202c\n\n 👩‍👧\n".encode(), "a.txt")
    assert parsed.text == "Zo\u0308e\u200b = a\u00adb, \u202eABC\u202c\n\n 👩‍👧"


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("a,b\n1,2", ","), ("a;b\n1,5;2,5", ";"), ("a\tb\n1\t2", "\t"), ("a|b\n1|2", "|"), ("words\nonly", ",")],
)
def test_delimiters_are_found(text: str, delimiter: str) -> None:
    assert find_delimiter(text) == delimiter


def test_csv_rows_carry_their_header(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes('\ufeffName;Note\nÅsa;"one\nline; quoted"\nBo;\n'.encode(), "a.csv")
    assert parsed.text == "Name: Åsa | Note: one line; quoted\nName: Bo"
    assert parsed.table_spans == ((0, len(parsed.text)),)


@pytest.mark.parametrize("words", [30_000, 150_000])
def test_a_long_line_does_not_damage_a_csv(parse_bytes: ParseBytes, words: int) -> None:
    """Longer than a field may be, at first or ever, where it is parted by the wrong sign."""
    csv.field_size_limit(131_072)  # as in a process that has read none
    long = "words " * words
    parsed = parse_bytes(f"Name;One;Two\nBo;{long};{long}\n".encode(), "a.csv")
    assert parsed.text == f"Name: Bo | One: {long.strip()} | Two: {long.strip()}"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["Item", "Price"], ["Nut", "3"]], ["Item: Nut | Price: 3"]),
        ([["Budget 2024", ""], ["Item", "2023"], ["Nut", "3"]], ["Budget 2024", "Item: Nut | 2023: 3"]),
        ([["Price", "12 EUR"], ["VAT", "19%"]], ["Price | 12 EUR", "VAT | 19%"]),
        ([["1", "2"], ["3", "4"]], ["1 | 2", "3 | 4"]),
        ([["same", "same"], ["a", "b"]], ["same | same", "a | b"]),
        ([["Item", "Price"]], ["Item | Price"]),
        ([["Item", "Price"], ["Nut", "3", "extra"], ["", ""]], ["Item: Nut | Price: 3 | extra", ""]),
        ([["one"], ["column"]], ["one", "column"]),
        ([], []),
    ],
)
def test_table_lines(rows: list[list[str]], expected: list[str]) -> None:
    assert list(table_lines(rows)) == expected


def test_json_leaves_are_lines_and_records_are_blocks(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(b'[{"name": "Ada", "tags": ["x", 1], "none": null}, {"ok": true}]', "a.json")
    assert parsed.text == "name: Ada\ntags[0]: x\ntags[1]: 1\n\nok: true"


def test_broken_json_lines_are_kept_and_named(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(b'{"a": 1}\n{"cut\n\n{"a": 2}\n', "a.jsonl")
    assert parsed.text == 'a: 1\n\n{"cut\n\na: 2'
    assert parsed.warnings == ("1 lines are not valid JSON and were kept as text: 2.",)


def test_xml_elements_become_paragraphs(parse_bytes: ParseBytes) -> None:
    feed = "<?xml version='1.0'?><rss><title>One</title><d><![CDATA[<p>Two <b>x</b></p>]]></d></rss>"
    assert parse_bytes(feed.encode(), "a.xml").text == "One\n\nTwo x"


def test_text_in_angle_brackets_stays_where_it_is_no_html(parse_bytes: ParseBytes) -> None:
    markup = "&lt;BR/&gt;&lt;a href='x'&gt;here&lt;/a&gt;"
    escaped = f"A List&lt;String&gt; of Box&lt;Table&gt; by &lt;ada@x.example&gt;{markup}"
    feed = f"<?xml version='1.0'?><d>{escaped}</d>"
    assert parse_bytes(feed.encode(), "a.xml").text == "A List<String> of Box<Table> by <ada@x.example> here"


@pytest.mark.parametrize(
    ("escaped", "text"),
    [
        ("One<Br>two<o:p></o:p><Div>three</Div>", "One two three"),
        ('<object width="1"><param name="a" value="b"><embed src="c"></object>Film', "Film"),
        ('<svg viewBox="0"><path d="M0"/></svg><button>Go</button><label>to</label>', "Go to"),
        ("<ruby>k<rp>(</rp><rt>ka</rt></ruby><dfn>term</dfn><title>Name</title>", "k ( ka term Name"),
        ('<input type="text"><st1:place w:st="on">Kyoto</st1:place><o:p/>', "Kyoto"),
        ("List<object>, Map<String>, <title>: <search>", "List<object>, Map<String>, <title>: <search>"),
        ("Box<Table of names> at <host:port>", "Box<Table of names> at <host:port>"),
        ("f<Data> of <map>, <std::string>", "f<Data> of <map>, <std::string>"),
    ],
)
def test_escaped_markup_of_a_feed_is_no_text(parse_bytes: ParseBytes, escaped: str, text: str) -> None:
    feed = f"<?xml version='1.0'?><d><![CDATA[{escaped}]]></d>"
    assert parse_bytes(feed.encode(), "a.xml").text == text


@pytest.mark.parametrize("tail", ["<a>", "<!ENTITY"])
def test_broken_xml_is_damage(parse_bytes: ParseBytes, tail: str) -> None:
    with pytest.raises(ParseFailure) as caught:
        parse_bytes(f"<?xml version='1.0'?><r>{tail}".encode(), "a.xml")
    assert caught.value.code == "file_damaged"


def test_xml_entities_are_refused(parse_bytes: ParseBytes) -> None:
    source = b"<?xml version='1.0'?><!DOCTYPE r [<!ENTITY e SYSTEM 'file:///etc/hostname'>]><r>&e;</r>"
    with pytest.raises(ParseFailure, match="entities"):
        parse_bytes(source, "a.xml")
