"""Panels of pictures; no experiment imports matplotlib before it draws."""

import subprocess
import sys

import pytest

from lindyn_service.experiments.style import COLOURS, new_figure


@pytest.mark.parametrize(("count", "columns", "grid"), [(1, 3, (1, 1)), (4, 2, (2, 2)), (4, 3, (2, 3)), (6, 3, (2, 3))])
def test_panels_fill_rows(count, columns, grid):
    _, panels = new_figure(count, columns)
    assert len(panels) == count
    for place, axes in enumerate(panels):
        spec = axes.get_subplotspec()
        assert spec.get_gridspec().get_geometry() == grid
        assert (spec.rowspan.start, spec.colspan.start) == divmod(place, grid[1])


def test_panels_of_a_row_are_alike():
    figure, _ = new_figure(6)
    one, _ = new_figure(1)
    assert tuple(figure.get_size_inches()) == pytest.approx(tuple(one.get_size_inches() * (3, 2)))


def test_lines_take_the_colours_in_turn():
    _, (axes,) = new_figure(1)
    lines = [axes.plot([0, 1], [0, 1])[0] for _ in COLOURS]
    assert [line.get_color() for line in lines] == list(COLOURS)


def test_no_experiment_imports_matplotlib():
    code = (
        "import importlib, pkgutil, sys, lindyn_service.experiments as e\n"
        "for m in pkgutil.iter_modules(e.__path__, e.__name__ + '.'): importlib.import_module(m.name)\n"
        "assert 'lindyn_service.experiments.figure_3_1' in sys.modules\n"
        "assert not any(name.partition('.')[0] == 'matplotlib' for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
