"""What the page on jobs tells a user to do, done."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lindyn.wire.sweep import SCALARS

PAGE = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()


@pytest.mark.live
def test_the_sweep():
    source = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]
    run = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=900, check=True)
    assert "(11, 40, 200)" in run.stdout


def test_every_scalar_is_explained():
    for name in SCALARS:
        assert f"`{name}`" in PAGE or f"`{name.replace('task_specificity', '')}`" in PAGE, name
