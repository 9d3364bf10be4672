"""Code, pictures and data from the page reproduce its numbers."""

import io
import json
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest

FIVE = "#dims=5_4_6&task=spectrum&scale=0.1&seed=7&stop=6&lambda=1.5"


def code_of(page, language):
    page.click("#code-open")
    page.click(f"#tab-{language}")
    text = page.inner_text("#code-text")
    page.click("#code-copy")
    assert page.evaluate("navigator.clipboard.readText()").strip() == text.strip()
    page.click("#code-close")
    return text


def run_python(code, folder):
    """Run Python code, and return its trajectory `t`."""
    names = ["loss" if "'loss'" in code else "excess_loss", "singular_values"]
    ending = "import json\nprint('RESULT', json.dumps({n: t.quantities[n].tolist() for n in t.quantities if n in %r}))"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending % (['loss', 'excess_loss', 'singular_values'],)}"],
        cwd=folder, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert names
    return json.loads(ran.stdout.split("RESULT ")[1])


@pytest.mark.parametrize("fragment", ["", FIVE, "#network=random&dims=4_6_3&task=regression&stop=3&gain=0.5"])
def test_python_code_reproduces_the_numbers(explorer, fragment, tmp_path):
    page = explorer.open(fragment)
    code = code_of(page, "python")
    assert all(part in code for part in ("network=lindyn.", "task=lindyn.", "t.plot."))
    found = run_python(code, tmp_path)
    table = explorer.table("loss")
    name = "loss" if "loss" in found else "excess_loss"
    assert np.array_equal(found[name], table[name.replace("_", " ")])
    values = explorer.table("singular-values")
    assert np.array_equal(np.array(found["singular_values"])[:, 0], values["learned 1"])


def test_python_code_with_a_data_file_reproduces_the_numbers(explorer, tmp_path):
    """Data that are too long for the code are in a file."""
    page = explorer.open()
    rng = np.random.default_rng(3)
    text = "\n".join(",".join(map(str, row)) for row in rng.standard_normal((60, 7)))
    page.select_option("#task", "data")
    explorer.drawn(lambda: page.fill("#data-text", text))
    code = code_of(page, "python")
    page.click("#code-open")
    (tmp_path / "lindyn-request.json").write_bytes(explorer.download("#code-request"))
    page.click("#code-close")
    found = run_python(code, tmp_path)
    assert np.array_equal(found["loss"], explorer.table("loss")["loss"])


def test_curl_code_reproduces_the_numbers(explorer, tmp_path):
    page = explorer.open(FIVE)
    ran = subprocess.run(
        ["/bin/sh", "-c", code_of(page, "curl").replace("curl ", "curl --silent --fail --noproxy '*' ", 1)],
        cwd=tmp_path, capture_output=True, timeout=900, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)["quantities"]["excess_loss"]
    assert np.array_equal(found, explorer.table("loss")["excess loss"])


def test_npz_files_have_all_numbers(explorer):
    explorer.open(FIVE)
    with np.load(io.BytesIO(explorer.download("#download-all")), allow_pickle=False) as archive:
        assert json.loads(str(archive["metadata"]))["lambda"] == 1.5
        assert np.array_equal(archive["excess_loss"], explorer.table("loss")["excess loss"])
        assert archive["qqt"].shape == (200, 11, 11)


@pytest.mark.parametrize("picture", ["loss", "singular-values", "representation", "kernel", "alignment", "specificity"])
def test_pictures_are_saved_as_files(explorer, picture):
    page = explorer.open(FIVE)
    svg = ET.fromstring(explorer.download(f"#picture-{picture} .downloads button:has-text('SVG')"))
    space = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in svg.iter(f"{space}text")]
    assert page.inner_text(f"#{picture}-title") in texts
    assert any("5-4-6, λ = 1.5, exact" in text for text in texts)
    marks = list(svg.iter(f"{space}rect")) if picture == "representation" else list(svg.iter(f"{space}path"))
    assert len(marks) > (11 * 11 if picture == "representation" else 2)
    png = explorer.download(f"#picture-{picture} .downloads button:has-text('PNG')")
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20], "big") == 1280


def test_a_curve_in_the_svg_is_where_its_numbers_are(explorer):
    explorer.open(FIVE)
    table = explorer.table("kernel")
    svg = ET.fromstring(explorer.download("#picture-kernel .downloads button:has-text('SVG')"))
    curves = [path.get("d") for path in svg.iter("{http://www.w3.org/2000/svg}path") if path.get("d").count("L") > 100]
    points = np.array([part.split() for part in curves[0].lstrip("M").split("L")], dtype=np.float64)
    assert np.allclose((points[:, 0] - 64) / (620 - 64), table["t"] / 6, atol=1e-4)
    assert np.allclose((340 - points[:, 1]) / (340 - 48), table["NTK distance, 1 − cosine"] / 1.03, atol=1e-4)
