"""Archives as numpy writes them: all number types, unused entries, layers in any order."""

import numpy as np
import pytest
from support.browser import until
from support.explorer_files import archive, choose, drop, matrices

RNG = np.random.default_rng(4)
FIRST, SECOND, THIRD = (RNG.integers(-64, 64, shape) / 16 for shape in ((5, 4), (2, 5), (3, 2)))  # exact as halves
SQUARE, OTHER = RNG.standard_normal((2, 3, 3))
ASKED = "!document.getElementById('weights-order-choice').hidden"
REFUSED = "document.getElementById('weights-note').classList.contains('wrong')"
EXTRA = {
    "saved": np.array("2024-05-01", "M8[D]"),
    "days": np.array(["2024-05-01", "2024-05-02"], "M8[D]"),
    "waits": np.array([1, 2], "m8[s]"),
    "raw": np.array([b"ab", b"c"]),
    "tags": np.array(["é", "b"], ">U2"),
    "config": np.array({"lr": 0.1}, dtype=object),
    "history": np.zeros((3, 2, 2)),
    "phases": np.array([[1j]]),
    "records": np.zeros(2, [("x", "f8"), ("y", "S1")]),
    "mask": FIRST > 0,
    "empty": np.zeros((0, 3)),
}


@pytest.fixture
def explorer(reloaded):
    return reloaded


def layers(page):
    found = matrices(page)
    return [found[f"W{i + 1}"] for i in range(len(found) - ("data" in found))]


@pytest.fixture
def page(explorer):
    opened = explorer.open("#network=random&dims=4_5_2&task=spectrum&spectrum=1&stop=2")
    opened.select_option("#network", "weights")
    return opened


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numbers_of_all_data_types(explorer, page, subtests, save):
    for i, dtype in enumerate(["f2", ">f2", "g", "f4", ">f8", "i1", ">i8", "u4", "?"]):
        with subtests.test(dtype):
            first, second = (
                np.abs(np.trunc(layer)).astype(dtype) if dtype in "u4?" else layer.astype(dtype)
                for layer in (FIRST, SECOND)
            )
            file = f"w{i}.npz", archive(save, W1=first, W2=second)
            explorer.drawn(lambda: choose(page, "#weights-file", *file))  # noqa: B023
            assert page.inner_text("#weights-note") == f"w{i}.npz: 5 × 4, 2 × 5"
            for found, layer in zip(layers(page), (first, second), strict=True):
                assert np.array_equal(found, layer.astype(float))


def test_halves_and_long_doubles_of_all_sizes(explorer, page):
    halves = np.array([[6e-8, -6e-8], [1023 / 1024, 2**-14], [0, -1]], "f2")
    long = np.array([[1, -3, 1e-60], [-1e-300, 0, np.nextafter(1, 2)]], "g") / 3
    explorer.drawn(lambda: drop(page, ("w.npz", archive(W1=halves, W2=long))))
    first, second = layers(page)
    assert np.array_equal(first, halves.astype(float))
    assert np.array_equal(second, long.astype(float))


def test_long_doubles_of_other_machines_are_refused(page):
    """Sixteen bytes in another format than extended precision, which other processors give the same name."""
    quadruple = np.zeros((2, 2), "g")
    quadruple.view("u1").reshape(4, 16)[:, 14:] = (0xFF, 0x3F)
    drop(page, ("w.npz", archive(W1=quadruple, W2=np.eye(2))))
    until(page, REFUSED)
    assert page.inner_text("#weights-note") == (
        "w.npz: W1 holds long doubles of another kind of processor: expected real numbers"
    )


def test_entries_beside_the_weights(explorer, page):
    explorer.drawn(lambda: drop(page, ("w.npz", archive(**EXTRA, W2=SECOND, W1=FIRST, seed=3))))
    note = page.inner_text("#weights-note")
    assert note == "w.npz: 5 × 4, 2 × 5. Left out: days, waits, raw, tags and 5 more."
    for found, layer in zip(layers(page), (FIRST, SECOND), strict=True):
        assert np.array_equal(found, layer)


def test_biases_are_left_out_with_a_message(explorer, page):
    arrays = {"fc1.weight": FIRST, "fc1.bias": np.ones(5), "fc2.weight": SECOND, "fc2.bias": np.ones(2)}
    explorer.drawn(lambda: drop(page, ("w.npz", archive(**arrays))))
    note = page.inner_text("#weights-note")
    assert note == "w.npz: 5 × 4, 2 × 5. Left out: fc1.bias, fc2.bias. Networks here have no biases."


def test_entries_beside_data(explorer):
    page = explorer.open()
    page.select_option("#task", "data")
    x, y = RNG.standard_normal((9, 4)), RNG.standard_normal(9)
    explorer.drawn(lambda: drop(page, ("d.npz", archive(**EXTRA, X_train=x, y_train=y, X_test=x))))
    assert page.inner_text("#data-note") == (
        "d.npz: 9 samples, 4 inputs, 1 target. Left out: days, waits, raw, tags and 6 more."
    )
    assert np.array_equal(matrices(page)["data"], np.column_stack([x, y]))


def test_weights_and_data_in_one(explorer):
    page = explorer.open()
    x, y = RNG.standard_normal((9, 4)), RNG.standard_normal((9, 2))
    explorer.drawn(lambda: drop(page, ("all.npz", archive(x=x, y=y, W2=SECOND, W1=FIRST))))
    assert (page.input_value("#network"), page.input_value("#task")) == ("weights", "data")
    assert page.inner_text("#weights-note") == "all.npz: 5 × 4, 2 × 5"
    assert page.inner_text("#data-note") == "all.npz: 9 samples, 4 inputs, 2 targets"
    found = matrices(page)
    assert np.array_equal(found["data"], np.hstack([x, y]))
    assert np.array_equal(found["W1"], FIRST)


ORDERED_NAMES = [
    ("W1", "W2", "W3"),
    ("w_9", "w_10", "w_11"),
    ("layers.0.weight", "layers.2.weight", "layers.4.weight"),
    ("fc1", "fc2", "fc10"),
    ("network.weights.0", "network.weights.1", "network.weights.2"),
    ("arr_0", "arr_1", "arr_2"),
    ("first", "second", "third"),
    ("input", "hidden", "output"),
    ("W1_float64", "W2_float64", "W3_float64"),
    ("encoder.0.weight", "encoder.1.weight", "decoder.0.weight"),
]


def test_layers_are_ordered_by_their_names(explorer, page, subtests):
    """They are stored in any order; the largest number is last, not the last letter."""
    for i, names in enumerate(ORDERED_NAMES):
        with subtests.test(names=names):
            arrays = dict(zip(names, (FIRST, SECOND, THIRD), strict=True))
            kept = {name: arrays[name] for name in (names[2], names[0], names[1])}
            explorer.drawn(lambda: drop(page, (f"w{i}.npz", archive(**kept))))  # noqa: B023
            assert page.inner_text("#weights-note").startswith(f"w{i}.npz: 5 × 4, 2 × 5, 3 × 2")
            for found, layer in zip(layers(page), arrays.values(), strict=True):
                assert np.array_equal(found, layer)


@pytest.mark.parametrize("names", [("encoder", "decoder"), ("w_in", "w_out"), ("bottom.weight", "top.weight")])
def test_square_layers_are_ordered_by_words_in_their_names(explorer, page, names):
    explorer.drawn(lambda: drop(page, ("w.npz", archive(**{names[1]: OTHER, names[0]: SQUARE}))))
    assert page.inner_text("#weights-note") == (
        f"w.npz: 3 × 3, 3 × 3. In the order {names[0]}, then {names[1]}: 3 → 3 → 3."
    )
    assert np.array_equal(layers(page)[0], SQUARE)


def test_layers_are_ordered_by_widths_if_names_do_not_tell(explorer, page):
    explorer.drawn(lambda: drop(page, ("w.npz", archive(readout=SECOND, trunk=FIRST))))
    note = page.inner_text("#weights-note")
    assert note == "w.npz: 5 × 4, 2 × 5. In the order trunk, then readout: 4 → 5 → 2."
    assert np.array_equal(layers(page)[0], FIRST)


def test_the_page_asks_for_the_order_of_square_layers(explorer, page):
    drop(page, ("w.npz", archive(alice=SQUARE, bob=OTHER)))
    until(page, ASKED)
    assert page.inner_text("#weights-note") == (
        "w.npz: the names alice, bob do not say which comes first. Choose the order below."
    )
    assert page.inner_text("#words").startswith("Drop or paste your weights to see the pictures.")
    assert layers(page) == []
    explorer.drawn(lambda: page.select_option("#weights-order", label="bob, then alice: 3 → 3 → 3"))
    assert np.array_equal(layers(page), [OTHER, SQUARE])
    explorer.drawn(lambda: page.select_option("#weights-order", label="alice, then bob: 3 → 3 → 3"))
    assert np.array_equal(layers(page), [SQUARE, OTHER])


@pytest.mark.parametrize("names", [("fc1", "fc2"), ("encoder", "decoder"), ("W1", "W2")])
def test_the_page_asks_if_names_contradict_the_widths(explorer, page, names):
    """In reverse order or transposed: both fit, and only the user knows."""
    first, second = names
    drop(page, ("w.npz", archive(**{first: FIRST.T, second: SECOND.T})))
    until(page, ASKED)
    note = page.inner_text("#weights-note")
    assert note.startswith(f"w.npz: {second} takes 2 inputs, but {first} has 4 outputs")
    explorer.drawn(lambda: page.select_option("#weights-order", label=f"{first}, then {second}, transposed: 4 → 5 → 2"))
    for found, layer in zip(layers(page), (FIRST, SECOND), strict=True):
        assert np.array_equal(found, layer)
    explorer.drawn(lambda: page.select_option("#weights-order", label=f"{second}, then {first}: 2 → 5 → 4"))
    assert np.array_equal(layers(page)[0], SECOND.T)


def test_the_page_asks_which_of_two_networks_is_used(explorer, page):
    weights = {"fc1": SQUARE, "fc2": OTHER, "fc1_before": OTHER, "fc2_before": SQUARE}
    drop(page, ("w.npz", archive(**weights)))
    until(page, ASKED)
    assert page.inner_text("#weights-note").startswith("w.npz: several series of matrices can be the layers.")
    explorer.drawn(lambda: page.select_option("#weights-order", label="fc1_before, then fc2_before: 3 → 3 → 3"))
    assert np.array_equal(layers(page), [OTHER, SQUARE])
    assert "Left out: fc1, fc2." in page.inner_text("#weights-note")


def test_the_page_asks_whether_pasted_weights_are_transposed(explorer, page):
    page.fill("#weights-text", str([FIRST.T.tolist(), SECOND.T.tolist()]))
    until(page, ASKED)
    explorer.drawn(lambda: page.select_option("#weights-order", label="W1, then W2, transposed: 4 → 5 → 2"))
    assert np.array_equal(layers(page)[1], SECOND)


REFUSALS = [
    ({"W1": FIRST * 1j, "W2": SECOND, "W3": THIRD}, "W1 holds complex numbers: expected real numbers"),
    ({"W1": FIRST.astype("M8[s]"), "W2": SECOND}, "W1 holds dates: expected real numbers"),
    ({"W1": FIRST[None], "W2": SECOND, "W3": THIRD}, "W1 has 3 dimensions (1 × 5 × 4): expected a matrix"),
    ({"weights": np.array([FIRST, SECOND], dtype=object)}, "weights, which holds Python objects"),
    ({"X": np.array([["a"]]), "y": np.zeros(1)}, "X holds text: expected real numbers"),
    ({"x_train": np.zeros((4, 2, 2)), "y_train": np.zeros(4)}, "x_train has 3 dimensions (4 × 2 × 2)"),
    ({"W1": FIRST, "W2": np.where(SECOND > 0, SECOND, np.inf)}, "W2 is not finite at row"),
    ({"a": FIRST, "b": FIRST, "c": FIRST, "d": FIRST, "e": FIRST}, "a, b, c, … give no order: expected W1, W2"),
    ({"metadata": "{}", "times": np.zeros(2), "loss": np.zeros(2)}, "it is a result of lindyn"),
]


def test_refusals_of_archives_name_their_reason(page, subtests):
    for i, (arrays, said) in enumerate(REFUSALS):
        with subtests.test(said):
            drop(page, (f"w{i}.npz", archive(**arrays)))
            until(page, f"document.getElementById('weights-note').textContent.startsWith('w{i}.npz: ') && {REFUSED}")
            assert said in page.inner_text("#weights-note")
            assert page.inner_text("body").count(said) == 1


def test_pasted_values_that_are_not_numbers_are_refused(page, subtests):
    """JSON writes NaN as null, which is not 0."""
    for row, entry in enumerate(["null", "true", '"1"', "[]", "{}"], 1):
        with subtests.test(entry):
            page.fill("#weights-text", f"[[{'[1, 1], ' * (row - 1)}[1, {entry}]], [[1]]]")
            until(page, f"document.getElementById('weights-note').textContent.includes('at row {row}, column 2')")
            assert f"W1 has no finite number at row {row}, column 2" in page.inner_text("#weights-note")
            assert page.get_attribute("#weights-text", "aria-invalid") == "true"
