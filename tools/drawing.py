"""Draws the import graph of the rooms of the service as docs/rooms.svg, from the imports that grimp finds.

A room is a package directly in `lindyn_service`; the modules next to the packages are leaves and are not drawn. Arrows
that follow from others are omitted, and a room is drawn just below the lowest room that imports it.
"""

import sys
from collections.abc import Mapping
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path

import grimp

DRAWING = Path(__file__).parents[1] / "docs" / "rooms.svg"
PACKAGE = "lindyn_service"

WIDTH, BOX_WIDTH, BOX_HEIGHT, ROW_HEIGHT, MARGIN = 960, 132, 34, 78, 12

_STYLE = """
rect { fill: #eef1fb; stroke: #3f51b5; }
text { font: 14px system-ui, sans-serif; fill: #1a1a2e; text-anchor: middle; }
path { stroke: #7a84b8; fill: none; marker-end: url(#arrow); }
marker path { fill: #7a84b8; stroke: none; marker-end: none; }
@media (prefers-color-scheme: dark) { rect { fill: #2b3050; } text { fill: #f2f2f8; } }
"""

Imports = Mapping[str, set[str]]
"""The rooms that each room imports."""


def main() -> None:
    """Write the drawing."""
    DRAWING.write_text(drawn(shortened(imports())))


def imports() -> Imports:
    """Import graph of the rooms."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    packages = {child for child in graph.find_children(PACKAGE) if graph.find_children(child)}
    rooms = {package.removeprefix(f"{PACKAGE}.") for package in packages}
    graph_of_rooms: dict[str, set[str]] = {room: set() for room in rooms}
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            first, second = _room(importer), _room(imported)
            if first != second and {first, second} <= rooms:
                graph_of_rooms[first].add(second)
    return graph_of_rooms


def shortened(graph: Imports) -> Imports:
    """Transitive reduction of an import graph.

    Raises:
        graphlib.CycleError: rooms import each other in a circle.
    """
    below: dict[str, set[str]] = {}
    for room in TopologicalSorter(graph).static_order():
        below[room] = graph[room].union(*(below[other] for other in graph[room]))
    return {
        room: {other for other in others if not any(other in below[via] for via in others)}
        for room, others in graph.items()
    }


def rows(reduced: Imports) -> list[list[str]]:
    """Rows of rooms from top to bottom: each room is below all that import it, and horizontally close to these."""
    depth = dict.fromkeys(reduced, 0)
    for room in reversed(list(TopologicalSorter(reduced).static_order())):
        for other in reduced[room]:
            depth[other] = max(depth[other], depth[room] + 1)
    levels: list[list[str]] = []
    position: dict[str, float] = {}
    for level in range(max(depth.values()) + 1):
        importers = {
            room: [position[up] for up in position if room in reduced[up]] for room in depth if depth[room] == level
        }
        row = sorted(importers, key=lambda room: (_mean(importers[room]), room))
        position |= {room: (i + 0.5) / len(row) for i, room in enumerate(row)}
        levels.append(row)
    return levels


def drawn(reduced: Imports) -> str:
    """Drawing of the graph as SVG."""
    levels = rows(reduced)
    centres = {
        room: (round(WIDTH * (i + 0.5) / len(row)), MARGIN + level * ROW_HEIGHT + BOX_HEIGHT // 2)
        for level, row in enumerate(levels)
        for i, room in enumerate(row)
    }
    height = 2 * MARGIN + (len(levels) - 1) * ROW_HEIGHT + BOX_HEIGHT
    arrows = [_arrow(centres[room], centres[other]) for room in sorted(reduced) for other in sorted(reduced[room])]
    boxes = [_box(room, *centres[room]) for row in levels for room in row]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>Rooms of the service and their imports</title><style>{_STYLE}</style>"
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z"/></marker></defs>'
    )
    return "\n".join([head, *arrows, *boxes, "</svg>\n"])


def _room(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.").partition(".")[0]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.5


def _arrow(start: tuple[int, int], end: tuple[int, int]) -> str:
    (x1, y1), (x2, y2) = (start[0], start[1] + BOX_HEIGHT // 2), (end[0], end[1] - BOX_HEIGHT // 2)
    bend = (ROW_HEIGHT - BOX_HEIGHT) // 2
    return f'<path d="M{x1} {y1}C{x1} {y1 + bend} {x2} {y2 - bend} {x2} {y2}"/>'


def _box(room: str, x: int, y: int) -> str:
    left, top = x - BOX_WIDTH // 2, y - BOX_HEIGHT // 2
    return (
        f'<rect x="{left}" y="{top}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="6"/>'
        f'<text x="{x}" y="{y + 5}">{escape(room)}</text>'
    )


if __name__ == "__main__":
    sys.exit(main())
