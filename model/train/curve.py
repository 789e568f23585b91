"""A loss curve as SVG, small enough to be written by hand."""

from __future__ import annotations

from collections.abc import Sequence

_WIDTH, _HEIGHT, _MARGIN = 640, 280, 44
_POINTS = 600  # of a line: more cannot be told apart


def loss_curve(losses: Sequence[float], qualities: Sequence[tuple[int, float]], *, quality_name: str) -> str:
    """SVG text: the losses of all steps, smoothed, and the development quality at its steps."""
    smooth = _smoothed(losses)
    steps = max(len(smooth), 1)
    every = -(-steps // _POINTS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        _line([(at / steps, value) for at, value in list(enumerate(smooth, 1))[::every]], "#1f5fa8"),
        _line([(step / steps, value) for step, value in qualities], "#b8501f"),
        _label(_MARGIN, _HEIGHT - 12, f"{steps} steps"),
        _label(_MARGIN, 18, f"loss {_range(smooth)}", "#1f5fa8"),
        _label(_WIDTH // 2, 18, f"{quality_name} {_range([value for _, value in qualities])}", "#b8501f"),
        f'<path d="M{_MARGIN} 28V{_HEIGHT - 30}H{_WIDTH - 16}" fill="none" stroke="#888"/>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _smoothed(values: Sequence[float], window: int = 25) -> list[float]:
    """Means over the last `window` values."""
    return [sum(values[max(0, at - window + 1) : at + 1]) / min(window, at + 1) for at in range(len(values))]


def _line(points: Sequence[tuple[float, float]], color: str) -> str:
    """Points (share of the width, value) scaled to the frame by their own range."""
    if not points:
        return ""
    low, high = min(value for _, value in points), max(value for _, value in points)
    spread = (high - low) or 1.0
    wide, high_px = _WIDTH - _MARGIN - 16, _HEIGHT - 64
    placed = " ".join(
        f"{_MARGIN + x * wide:.1f},{30 + (1 - (value - low) / spread) * high_px:.1f}" for x, value in points
    )
    return f'<polyline points="{placed}" fill="none" stroke="{color}" stroke-width="1.5"/>'


def _label(x: int, y: int, text: str, color: str = "#444") -> str:
    return f'<text x="{x}" y="{y}" fill="{color}">{text}</text>'


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3f} to {max(values):.3f}" if values else "not measured"
