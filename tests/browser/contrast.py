"""Contrast of every text on a page as the browser paints it (WCAG 2.2, success criterion 1.4.3)."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Page

LEAST = 4.5  # for text below 24 px, or below 18.66 px when bold
LEAST_LARGE = 3.0
SETTLED_S = 5.0

MEASURE = """
() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => top.slice(0, 3).map((c, i) => c * top[3] + below[i] * (1 - top[3]));
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ancestors = (element) => {
    const found = [];
    for (let each = element; each; each = each.parentElement || each.getRootNode().host) found.push(each);
    return found;
  };
  const isBehind = (element, box) => {  // a slider's knob has its number beside it
    const { width, height } = element.getBoundingClientRect();
    return width >= box.width || height >= box.height;
  };
  const background = (chain, box) => chain.filter((each) => isBehind(each, box)).reduceRight(
    (below, each) => over(rgba(getComputedStyle(each).backgroundColor), below), [255, 255, 255]);
  const results = [];
  const visit = (root) => {
    const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.nodeType === Node.ELEMENT_NODE) {
        if (node.shadowRoot) visit(node.shadowRoot);
        continue;
      }
      const element = node.parentElement;
      if (!node.textContent.trim() || !element || ["STYLE", "SCRIPT"].includes(element.tagName)) continue;
      const box = element.getBoundingClientRect();
      const chain = ancestors(element);
      const styles = chain.map((each) => getComputedStyle(each));
      if (!box.width || !box.height || styles.some((s) => s.visibility === "hidden" || s.display === "none"))
        continue;
      if (styles[0].fontFamily.includes("Material Symbols")) continue;  // signs, not words
      if (chain.some((each) => each.disabled || each.getAttribute("aria-disabled") === "true")) continue;
      const behind = background(chain, box);
      const opacity = styles.reduce((all, s) => all * Number(s.opacity), 1);
      if (!opacity) continue;  // not painted: a slider shows its ends only under the pointer
      const text = rgba(styles[0].color);
      const front = over([...text.slice(0, 3), text[3] * opacity], behind);
      const [high, low] = [luminance(front), luminance(behind)].sort((a, b) => b - a);
      const size = parseFloat(styles[0].fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(styles[0].fontWeight) >= 700);
      const ratio = (high + 0.05) / (low + 0.05);
      results.push({ text: node.textContent.trim().slice(0, 60), ratio, large });
    }
  };
  visit(document.body);
  return results;
}
"""


def expect_contrast(page: Page) -> None:
    """Every text has enough contrast; what fades in or out gets the time to do so."""
    give_up = time.monotonic() + SETTLED_S
    while faint := too_faint(page):
        assert time.monotonic() < give_up, faint
        page.wait_for_timeout(200)


def too_faint(page: Page) -> list[str]:
    """Texts of the page whose contrast is too low, each with its ratio."""
    measured: list[dict[str, Any]] = page.evaluate(MEASURE)
    assert measured, "no text was found on the page"
    return [
        f"{each['ratio']:.2f}: {each['text']}"
        for each in measured
        if each["ratio"] < (LEAST_LARGE if each["large"] else LEAST)
    ]
