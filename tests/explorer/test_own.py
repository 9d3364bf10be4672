"""Weights and data of the user: chosen, dropped and pasted, and files that cannot be read."""

import json
from itertools import pairwise

import numpy as np
import pytest
from support.archives import npy, zipped
from support.browser import SETTLED, until
from support.explorer_files import archive, as_csv, choose, drop, matrices
from support.service import ask


@pytest.fixture
def explorer(reloaded):
    return reloaded


def layers(rng, *widths):
    return [rng.standard_normal((out, into)) for into, out in pairwise(widths)]


@pytest.fixture
def rng():
    return np.random.default_rng(8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(("dtype", "order"), [("f8", "C"), ("<f4", "F"), (">f8", "C"), ("i4", "C")])
def test_uploaded_weights(explorer, service, rng, save, dtype, order):
    page = explorer.open("#task=spectrum&spectrum=2_1&dims=5_5_5&stop=2")
    weights = [np.array(3 * layer, dtype=dtype, order=order) for layer in layers(rng, 4, 5, 3)]
    page.select_option("#network", "weights")
    content = archive(save, **{"layers.0": weights[0], "layers.1": weights[1]})
    explorer.drawn(lambda: choose(page, "#weights-file", "init.npz", content))
    assert page.inner_text("#weights-note") == "init.npz: 5 × 4, 3 × 5"
    body = {
        "network": {"kind": "weights", "weights": [layer.astype(float).tolist() for layer in weights]},
        "task": {"kind": "spectrum", "singular_values": [2, 1], "seed": 1},
        "times": {"stop": 2, "num": 200},
        "quantities": ["excess_loss"],
    }
    with service.client() as client:
        expected = ask(client, body)["quantities"]["excess_loss"]
    assert np.allclose(explorer.table("loss")["excess loss"], expected, rtol=1e-6, atol=0)
    assert page.inner_text("#words").startswith("Integrated")


def test_weights_dropped_anywhere_and_shared_by_link(explorer, rng):
    page = explorer.open("#stop=3")
    weights = layers(rng, 6, 2, 3)
    explorer.drawn(lambda: drop(page, ("mine.NPZ", archive(W1=weights[0], W2=weights[1]))))
    assert page.input_value("#network") == "weights"
    table = explorer.table("loss")
    page.click("#share")
    other = explorer.another(page.evaluate("navigator.clipboard.readText()"))
    page.close()
    explorer.page = other
    assert np.array_equal(explorer.table("loss")["excess loss"], table["excess loss"])


def test_pasted_files(explorer, rng):
    page = explorer.open("#stop=3")
    content = archive(W1=rng.standard_normal((4, 3)), W2=rng.standard_normal((2, 4)))
    paste = """(bytes) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "mine.npz"));
        document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));
    }"""
    explorer.drawn(lambda: page.evaluate(paste, list(content)))
    assert page.inner_text("#weights-note") == "mine.npz: 4 × 3, 2 × 4"


def test_pasted_weights(explorer):
    page = explorer.open("#task=spectrum&spectrum=2_1&stop=4")
    page.select_option("#network", "weights")
    missing = "Drop or paste your weights to see the pictures. They still show the run before."
    assert page.inner_text("#words") == missing
    explorer.drawn(lambda: page.fill("#weights-text", "[[[0.3, 0], [0, 0.3]], [[0.3, 0], [0, 0.3]]]"))
    assert page.inner_text("#words").startswith("Exact")
    assert page.inner_text("#regime").endswith("nearest λ 0")


def test_one_sample_is_named_in_the_singular(explorer):
    page = explorer.open()
    page.select_option("#task", "data")
    explorer.drawn(lambda: page.fill("#data-text", "2, 1"))
    assert page.inner_text("#data-note") == "pasted: 1 sample, 1 input, 1 target"


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
def test_pasted_data(explorer, service, rng, separator):
    page = explorer.open()
    data = rng.standard_normal((30, 6))
    page.select_option("#task", "data")
    names = separator.join("abcdef")
    explorer.drawn(lambda: page.fill("#data-text", f"{names}\n{as_csv(data, separator)}\n"))
    explorer.drawn(lambda: page.fill("#targets", "2"))
    assert page.inner_text("#data-note") == "pasted: 30 samples, 4 inputs, 2 targets"
    assert page.input_value("#dims").startswith("4-")
    stop = float(page.input_value("#stop"))
    body = {
        "network": {"kind": "balanced", "dims": [4, 2, 2], "lambda": 0, "scale": 0.01, "seed": 11},
        "task": {"kind": "data", "inputs": data[:, :4].tolist(), "targets": data[:, 4:].tolist(), "whiten": True},
        "times": {"stop": stop, "num": 200},
        "quantities": ["loss"],
    }
    with service.client() as client:
        expected = ask(client, body)["quantities"]["loss"]
    # the page asks for other quantities, too, so that other formulae compute the loss
    assert np.allclose(explorer.table("loss")["loss"], expected, rtol=1e-12, atol=0)


def test_dropped_data(explorer, rng):
    page = explorer.open()
    inputs, targets = rng.standard_normal((25, 5)), rng.standard_normal((25, 3))
    explorer.drawn(lambda: drop(page, ("data.csv", as_csv(np.hstack([inputs, targets])).encode())))
    assert page.inner_text("#data-note") == "data.csv: 25 samples, 7 inputs, 1 target"
    explorer.drawn(lambda: drop(page, ("data.npz", archive(inputs=inputs, targets=targets))))
    assert page.inner_text("#data-note") == "data.npz: 25 samples, 5 inputs, 3 targets"
    explorer.drawn(lambda: drop(page, ("moments.npz", archive(sigma_yx=rng.standard_normal((3, 5))))))
    assert page.inner_text("#data-note") == "moments.npz: sigma_yx, 3 × 5"
    assert page.input_value("#dims").startswith("5-")


def test_large_data_are_not_in_the_link(explorer, rng):
    page = explorer.open()
    drop(page, ("large.csv", as_csv(rng.standard_normal((2000, 4)).round(3)).encode()))
    until(page, "document.getElementById('data-note').textContent.includes('2000 samples')")
    until(page, SETTLED)
    page.click("#share")
    until(page, "document.getElementById('toast').textContent.includes('without your matrices')")
    assert len(page.evaluate("navigator.clipboard.readText()")) < 300


REFUSED_FILES = [
    ("notes.csv", b"one,two\nthree,four\n", "notes.csv: row 2, column 1 is not a number"),
    ("ragged.csv", b"1,2,3\n4,5\n", "ragged.csv: row 2 has 2 entries, the first has 3"),
    ("empty.csv", b"\n\n", "empty.csv: it is empty"),
    ("one.csv", b"1\n2\n", "one.csv: it has one column"),
    ("fake.npz", b"PK but no archive", "fake.npz: this is no npz file: it is not a zip archive"),
    ("cut.npz", archive(W1=np.eye(3), W2=np.eye(3))[:-40], "cut.npz: this is no npz file"),
    ("pickled.npz", archive(W1=np.array([print], dtype=object)), "only numbers are"),
    ("complex.npz", archive(W1=np.eye(2) * 1j, W2=np.eye(2)), "expected real numbers"),
    ("single.npz", archive(W1=np.eye(2)), "expected weights (W1, W2, …: two or more matrices)"),
    ("unchained.npz", archive(W1=np.ones((2, 3)), W2=np.ones((4, 5))), "W2 takes 5 inputs, but W1 has 2 outputs"),
    ("nan.npz", archive(W1=np.full((2, 2), np.nan), W2=np.eye(2)), "not finite"),
    ("twice.npz", zipped([("W1.npy", npy(np.eye(2)))] * 2), "the archive has entries of the same name"),
    ("rows.npz", archive(inputs=np.ones((3, 2)), targets=np.ones((4, 1))), "inputs have 3 rows, targets 4"),
]


def test_unreadable_files_are_refused(explorer, subtests):
    page = explorer.open()
    page.select_option("#network", "weights")
    for name, content, said in REFUSED_FILES:
        with subtests.test(name):
            drop(page, (name, content))
            until(page, f"document.getElementById('weights-note').textContent.startsWith('{name}: ')")
            assert "wrong" in page.get_attribute("#weights-note", "class")
            assert said in page.inner_text("#weights-note")
            assert page.inner_text("body").count(said) == 1
            assert page.locator("#picture-loss .u-over").is_visible()


def test_text_without_weights_is_refused(explorer, subtests):
    page = explorer.open()
    page.select_option("#network", "weights")
    wrong = "document.getElementById('weights-note').classList.contains('wrong')"
    for text in ("[[1, 2]", "[[[1, 2], [3]], [[1]]]", "3", '[[["a"]], [[1]]]', "[[[1]]]"):
        with subtests.test(text):
            page.fill("#weights-text", "")
            until(page, f"!{wrong}")
            page.fill("#weights-text", text)
            until(page, wrong)


def test_a_refusal_without_a_field_is_shown_in_the_banner(explorer):
    page = explorer.open()
    drop(page, ("notes.csv", b"one,two\nthree,four\n"))
    until(page, "document.getElementById('toast').textContent !== ''")
    assert page.inner_text("#toast").startswith("notes.csv: row 2, column 1 is not a number: “three”")
    drop(page, ("a.npz", archive(W1=np.eye(2))), ("b.npz", archive(W2=np.eye(2))))
    until(page, "document.getElementById('toast').textContent.startsWith('a.npz, b.npz: expected one file')")


def test_a_refused_upload_does_not_replace_the_one_in_use(explorer, rng):
    """A refused text stays marked, and the page names the upload that its pictures show."""
    page = explorer.open()
    page.select_option("#task", "data")
    explorer.drawn(lambda: choose(page, "#data-file", "good.csv", as_csv(rng.standard_normal((9, 3))).encode()))
    page.fill("#data-text", "1,2\n3,x")
    for scale in ("0.02", "0.03"):
        note = page.inner_text("#data-note")
        assert note.startswith("row 2, column 2 is not a number: “x”.")
        assert note.endswith("Still in use: good.csv: 9 samples, 2 inputs, 1 target.")
        assert page.get_attribute("#data-text", "aria-invalid") == "true"
        explorer.drawn(lambda scale=scale: page.fill("#scale", scale))
    page.fill("#data-text", "")
    assert page.inner_text("#data-note") == "good.csv: 9 samples, 2 inputs, 1 target"
    explorer.drawn(lambda: page.fill("#data-text", "1,2\n3,4"))
    explorer.drawn(lambda: choose(page, "#data-file", "good.csv", as_csv(rng.standard_normal((9, 3))).encode()))
    assert page.input_value("#data-text") == ""
    explorer.drawn(lambda: page.click("#reset"))
    page.select_option("#task", "data")
    assert page.inner_text("#data-note") == ""


def test_a_single_table_is_not_accepted_as_weights(explorer, rng):
    """If it is chosen as weights, it is not used as data."""
    page = explorer.open()
    page.select_option("#network", "weights")
    for name, content in (("x.csv", b"1,2\n3,4\n"), ("W1.npy", npy(np.eye(3)))):
        choose(page, "#weights-file", name, content)
        until(page, f"document.getElementById('weights-note').textContent.startsWith('{name}: it is one table')")
    assert page.input_value("#task") == "semantic"


def test_weights_in_a_file_of_json(explorer, rng):
    page = explorer.open("#stop=3")
    first, second = layers(rng, 4, 5, 2)
    explorer.drawn(lambda: drop(page, ("w.json", json.dumps([first.tolist(), second.tolist()]).encode())))
    assert page.inner_text("#weights-note") == "w.json: 5 × 4, 2 × 5"
    assert np.array_equal(matrices(page)["W1"], first)
    drop(page, ("request.json", b'{"network": {}}'))
    until(page, "document.getElementById('weights-note').textContent.includes('it is a JSON object')")
