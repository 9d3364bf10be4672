"""What the page on jobs tells a user to do, done."""

import pytest
from support.pages import blocks, page, run_python

from lindyn.wire.sweep import SCALARS

PAGE = page("docs/jobs.md")


@pytest.mark.live
def test_the_sweep(tmp_path):
    assert "(11, 40, 200)" in run_python(blocks(PAGE, "python")[0], tmp_path)


@pytest.mark.live
def test_the_experiment(tmp_path):
    said = run_python(blocks(PAGE, "python")[1] + "print(picture[:5])", tmp_path)
    assert "figure-3.2" in said
    assert "b'<?xml'" in said


def test_every_scalar_is_explained():
    for name in SCALARS:
        assert f"`{name}`" in PAGE or f"`{name.replace('task_specificity', '')}`" in PAGE, name
