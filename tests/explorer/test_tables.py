"""Tables in the formats of other programs: how they are read, announced, chosen and refused."""

import csv
import gzip
import io
import pickle
import zipfile

import numpy as np
import pandas as pd
import pytest
import scipy.io
from support.browser import until
from support.explorer_files import archive, as_csv, choose, drop, matrices

X = np.random.default_rng(3).standard_normal((6, 3))
WHOLE = np.array([[8, 1, 4], [2, 0, 6], [0, 2, 4], [4, 1, 7], [6, 8, 2], [5, 5, 0]])
FRAME = pd.DataFrame(X)
NAMED = pd.DataFrame(X, columns=["a", "b", "c"])
CARS = NAMED.set_axis(["Mazda RX4", "Datsun 710", "Fiat 128", "Honda Civic", "Volvo", "Lotus, blue"])

COUNTED = "Column 1 numbers the rows and is left out."
COMMAS = "Commas are read as decimal marks."
REFUSED = "document.getElementById('data-note').classList.contains('wrong')"


@pytest.fixture
def explorer(reloaded):
    return reloaded


def saved(array, **options):
    buffer = io.StringIO()
    np.savetxt(buffer, array, **options)
    return buffer.getvalue()


def as_r(frame, separator=",", decimal=".", names=True, rows=True, corner='""'):
    """Formats of write.csv, write.csv2 and write.table of R: quoted names, and rows numbered from 1."""
    index = [i + 1 for i in frame.index] if isinstance(frame.index, pd.RangeIndex) else frame.index
    lines = [[repr(value).replace(".", decimal) for value in row] for row in frame.to_numpy().tolist()]
    header = [*([corner] if rows and corner else []), *(f'"{name}"' for name in frame.columns)]
    body = [[f'"{name}"', *line] if rows else line for name, line in zip(index, lines, strict=True)]
    return "".join(separator.join(line) + "\n" for line in [*([header] if names else []), *body])


def opened(explorer):
    page = explorer.open()
    page.select_option("#task", "data")
    return page


def refusal(page, name, text):
    """Choose a file that cannot be read, and return the message of the page."""
    choose(page, "#data-file", name, text.encode())
    until(page, refused(name))
    return page.inner_text("#data-note")


def refused(name):
    """An expression that is true when the page shows the refusal of this file."""
    return f"{REFUSED} && document.getElementById('data-note').textContent.startsWith('{name}: ')"


TABLES = [
    (NAMED.to_csv(index=False), ""),
    (NAMED.to_csv(), COUNTED),
    (FRAME.to_csv(), f"Row 1 (0, 1, 2) is read as column names. {COUNTED}"),
    (FRAME.to_csv(index=False), "Row 1 (0, 1, 2) is read as column names."),
    (FRAME.to_csv(header=False), COUNTED),
    (FRAME.to_csv(header=False, index=False), ""),
    (
        FRAME.set_axis([2019, 2020, 2022], axis=1).to_csv(index=False),
        "Row 1 (2019, 2020, 2022) is read as column names",
    ),
    (FRAME.set_axis([0, 1, "target"], axis=1).to_csv(index=False), "Row 1 (0, 1, target) is read as column names"),
    (FRAME.set_axis([7, 2, 5, 0, 3, 4]).to_csv(), "Column 1 names the rows and is left out."),
    (NAMED.to_csv(index_label="id"), "Column 1 (“id”) numbers the rows and is left out."),
    (pd.read_csv(io.StringIO(NAMED.to_csv())).to_csv(), "Columns 1 to 2 name the rows and are left out."),
    (CARS.to_csv(), "Column 1 names the rows and is left out."),
    (NAMED.set_axis(pd.date_range("2020-01-01", periods=6)).to_csv(index_label="date"), "Column 1 (“date”) names"),
    (NAMED.to_csv(quoting=csv.QUOTE_ALL), COUNTED),
    (FRAME.to_csv(quoting=csv.QUOTE_ALL, index=False), "Row 1 (0, 1, 2) is read as column names."),
    (NAMED.to_csv(sep=";", decimal=",", index=False), COMMAS),
    (NAMED.to_csv(sep="\t", decimal=","), f"{COUNTED} {COMMAS}"),
    (NAMED.to_csv(decimal=",", index=False), COMMAS),
    (as_r(NAMED), COUNTED),
    (as_r(CARS), "Column 1 names the rows and is left out."),
    (as_r(NAMED, ";", ","), f"{COUNTED} {COMMAS}"),
    (as_r(NAMED, " ", corner=""), COUNTED),
    (as_r(NAMED, "\t", rows=False), ""),
    (as_r(NAMED, names=False), COUNTED),
    (saved(X, fmt="%.17g"), ""),
    (saved(X, fmt="%.17g", header="first second third"), ""),
    (saved(X, fmt="%.17g", header="first second third", delimiter=","), ""),
    (saved(X, fmt="%.17g", header="made on Monday\na b c", footer="the end", comments="# "), ""),
    (saved(X, fmt="%.17g", header="a b c", comments=""), ""),
    (saved(X, fmt="%.17g", header="a b c", comments="", delimiter=","), "Row 1 (“a b c”) is left out."),
    (saved(X, fmt="%.17g", header="a b c", comments="% ", delimiter="\t"), ""),
    (saved(X, fmt="%27.18e"), ""),
    (as_csv(X).replace("\n", ",\n") + ",\n", ""),
    ("a,b,c\n" + as_csv(X).replace("\n", ",\n") + ",\n", ""),
    ("a;b;c;;\n" + as_csv(X, ";").replace("\n", ";;\n") + ";;\n;;;;\n;;;;\n", ""),
    (as_csv(X, "\t").replace("\n", "\t\n"), ""),
    ("\ufeff" + NAMED.to_csv(index=False), ""),
    (NAMED.to_csv(index=False, lineterminator="\r\n"), ""),
    (NAMED.to_csv(index=False, lineterminator="\r"), ""),
    ("sep=;\n" + NAMED.to_csv(index=False, sep=";"), ""),
    ('"height\n(cm)","a ""b""",c\n' + as_csv(X), ""),
    (as_csv(X).replace(",", "  ,  ").replace("\n", "  \n\n  "), ""),
    (as_csv(X).replace("-", "−"), ""),
]


def test_tables_are_read_in_all_formats(explorer, subtests):
    page = opened(explorer)
    for i, (text, announced) in enumerate(TABLES):
        with subtests.test(text[:40]):
            name = f"table-{i}.csv"
            explorer.drawn(lambda: choose(page, "#data-file", name, text.encode()))  # noqa: B023
            note = page.inner_text("#data-note")
            assert note.startswith(f"{name}: 6 samples, 2 inputs, 1 target")
            assert announced in note
            assert announced != "" or note.endswith("1 target")
            assert np.array_equal(matrices(page)["data"], X)


def test_encodings_of_spreadsheets_are_read(explorer):
    """UTF-16, as in Excel's "Unicode text", and letters of another code page."""
    page = opened(explorer)
    text = NAMED.rename(columns={"a": "Größe"}).to_csv(index=False, sep="\t")
    for encoding in ("utf-16", "utf-16-be", "cp1252", "utf-8-sig"):
        content = ("\ufeff" if encoding == "utf-16-be" else "") + text
        explorer.drawn(
            lambda content=content, encoding=encoding: drop(page, (f"{encoding}.txt", content.encode(encoding)))
        )
        assert page.inner_text("#data-note") == f"{encoding}.txt: 6 samples, 2 inputs, 1 target"
        assert np.array_equal(matrices(page)["data"], X)


def test_the_first_row_and_column_can_be_chosen(explorer):
    page = opened(explorer)
    explorer.drawn(lambda: choose(page, "#data-file", "whole.csv", pd.DataFrame(WHOLE).to_csv().encode()))
    assert page.input_value("#first-row") == page.input_value("#first-column") == "names"
    assert np.array_equal(matrices(page)["data"], WHOLE)
    explorer.drawn(lambda: page.select_option("#first-column", "input"))
    assert np.array_equal(matrices(page)["data"], np.hstack([np.arange(6)[:, None], WHOLE]))
    assert page.input_value("#dims") == "3-1-1"
    page.select_option("#first-row", "sample")
    assert "row 1, column 1 is not a number: it is empty" in page.inner_text("#data-note")
    assert "Still in use: whole.csv: 6 samples, 3 inputs, 1 target." in page.inner_text("#data-note")
    page.select_option("#first-column", "names")
    assert np.array_equal(matrices(page)["data"], np.vstack([np.arange(3), WHOLE]))


@pytest.mark.parametrize(
    ("text", "first", "rows"),
    [
        (pd.DataFrame(WHOLE).to_csv(index=False), "names", WHOLE),
        (pd.DataFrame(WHOLE[:, :2]).to_csv(index=False), "sample", np.vstack([[0, 1], WHOLE[:, :2]])),
        (FRAME.set_axis([5, 9, 2], axis=1).to_csv(index=False), "sample", np.vstack([[5, 9, 2], X])),
        ("1,0\n0.75,0.25\n", "sample", np.array([[1, 0], [0.75, 0.25]])),
    ],
)
def test_integers_in_the_first_row_are_announced(explorer, text, first, rows):
    """They are column names as of pandas, or a sample; the page says which, and offers the choice."""
    page = opened(explorer)
    explorer.drawn(lambda: choose(page, "#data-file", "x.csv", text.encode()))
    assert page.input_value("#first-row") == first
    assert "is read as " + {"names": "column names.", "sample": "a sample."}[first] in page.inner_text("#data-note")
    assert np.array_equal(matrices(page)["data"], rows)
    other = {"names": "sample", "sample": "names"}[first]
    explorer.drawn(lambda: page.select_option("#first-row", other))
    assert len(matrices(page)["data"]) == len(rows) + (1 if other == "sample" else -1)


def test_a_first_column_of_row_numbers_may_be_an_input(explorer):
    page = opened(explorer)
    frame = NAMED.rename_axis("time").reset_index()
    explorer.drawn(lambda: choose(page, "#data-file", "x.csv", frame.to_csv(index=False).encode()))
    assert "Column 1 (“time”) numbers the rows and is read as an input." in page.inner_text("#data-note")
    assert np.array_equal(matrices(page)["data"], frame.to_numpy())
    explorer.drawn(lambda: page.select_option("#first-column", "names"))
    assert np.array_equal(matrices(page)["data"], X)


FIRST_ROWS = [
    (pd.DataFrame([[np.nan] * 3, [1, 2, 3]]).to_csv(index=False, header=False, na_rep="nan"), "“nan”"),
    (pd.DataFrame([[np.nan] * 2, [1, 2]]).to_csv(index=False, header=False, na_rep="NA"), "“NA”"),
    (pd.DataFrame([[np.nan] * 2, [1, 2]]).to_csv(index=False, header=False), "it is empty"),
    (saved([[np.nan, np.inf], [1, 2]]), "“nan”"),
    ("nan,1,2\n3,4,5\n", "“nan”"),
    ("#N/A,#N/A\n1,2\n", "“#N/A”"),
    ('"NA","NA"\n"1","2"\n', "“NA”"),
    ("null;NULL\n1;2\n", "“null”"),
    ("-inf inf\n1 2\n", "“-inf”"),
    ("True,False\n1,2\n", "“True”"),
    (",1.5,2\n1,2,3\n", "it is empty"),
    ("1O,5,7\n1,2,3\n", "“1O”"),
]


def test_a_first_row_without_numbers_is_not_always_a_header(explorer, subtests):
    page = opened(explorer)
    for i, (text, said) in enumerate(FIRST_ROWS):
        with subtests.test(text[:30]):
            name = f"first-{i}.csv"
            assert refusal(page, name, text).startswith(f"{name}: row 1, column 1 is not a number: {said}.")
            explorer.drawn(lambda: page.select_option("#first-row", "names"))
            assert page.inner_text("#data-note").startswith(f"{name}: 1 sample,")


UNREADABLE = [
    ("a,b\n1,2\nNA,3\n", "row 3, column 1 is not a number: “NA”"),
    ("a,b\n\n# so far\n1,2\n,3\n", "row 5, column 1 is not a number: it is empty"),
    ("1,2,3\n4,5,\n", "row 2, column 3 is not a number: it is empty"),
    ("1,2,\n4,5,6\n", "row 1, column 3 is not a number: it is empty"),
    ("1,2\n0x1F,3\n", "row 2, column 1 is not a number: “0x1F”"),
    ("1,2\n1e999,3\n", "row 2, column 1 is not a number: “1e999”"),
    ("1,2\n,\n3,4\n", "row 2, column 1 is not a number: it is empty"),
    ("a,b,c\n1,2\n3,4\n", "row 2 has 2 entries, the first has 3"),
    ("a,b\n0.5,1,2\n0.25,3,4\n", "row 2 has 3 entries, the first has 2"),
    ("1,2\n3,4,5\n", "row 2 has 3 entries, the first has 2"),
    ('"1,234","2,345"\n"3,456","4,567"\n', "row 1, column 1 is “1,234”: expected no comma within a number"),
    ("1,5;2.5\n1;2\n", "row 1, column 1 is “1,5”, but row 1, column 2 is “2.5”: expected one decimal mark"),
    ("a,b\n", "it has only a row of names"),
    ("# a b\n", "it is empty"),
]


def test_tables_that_cannot_be_read(explorer, subtests):
    page = opened(explorer)
    for i, (text, said) in enumerate(UNREADABLE):
        with subtests.test(text[:30]):
            assert refusal(page, f"bad-{i}.csv", text).startswith(f"bad-{i}.csv: {said}")


def excel():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as book:
        for name in ("[Content_Types].xml", "xl/workbook.xml", "xl/worksheets/sheet1.xml"):
            book.writestr(name, "<xml/>")
    return buffer.getvalue()


def torch():
    """The format of torch.save since version 1.6."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as checkpoint:
        checkpoint.writestr("model/data.pkl", pickle.dumps({"W1": 0}))
        checkpoint.writestr("model/data/0", bytes(64))
    return buffer.getvalue()


def matlab(**options):
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, {"X": np.eye(3)}, **options)
    return buffer.getvalue()


FILES_OF_OTHERS = [
    ("book.xlsx", excel(), "it is an Excel workbook: save the table as CSV"),
    ("book.csv", excel(), "it is an Excel workbook: save the table as CSV"),
    ("book.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "it is an Excel workbook"),
    ("model.pt", torch(), "it is a PyTorch file: save matrices with numpy.savez"),
    ("model.npz", torch(), "it is a PyTorch file"),
    ("old.pth", pickle.dumps(0x1950A86A20F9469CFC6C, 2), "it is a PyTorch file"),
    ("model.pkl", pickle.dumps({"W1": np.eye(2)}), "it is a Python pickle, which is not read"),
    ("data.mat", matlab(), "it is a MATLAB file"),
    ("data4.mat", matlab(format="4"), "it is a MATLAB file"),
    ("data73.mat", b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(600), "it is a MATLAB file"),
    ("model.h5", b"\x89HDF\r\n\x1a\n" + bytes(99), "it is an HDF5 file"),
    ("run.nc", b"CDF\x01" + bytes(99), "it is a netCDF file"),
    ("data.parquet", b"PAR1\x15\x04" + bytes(99), "it is an Arrow or Parquet file"),
    ("data.csv.gz", gzip.compress(b"1,2\n3,4\n"), "it is compressed with gzip: expand it first"),
    ("login.csv", b"<!DOCTYPE html><html></html>", "it is a web page"),
    ("noise.csv", bytes(range(256)), "it is not text: expected CSV, npz or npy"),
    ("data.zip", archive(save=lambda file, **_: zipfile.ZipFile(file, "w").close()), "it is a zip archive without"),
]


def test_files_of_other_formats_are_named(explorer, subtests):
    page = opened(explorer)
    for name, content, said in FILES_OF_OTHERS:
        with subtests.test(name):
            drop(page, (name, content))
            until(page, refused(name))
            assert page.inner_text("#data-note").startswith(f"{name}: {said}")
            assert page.inner_text("body").count(said) == 1


def test_a_single_numpy_array_is_read(explorer):
    page = opened(explorer)

    def give(array):
        buffer = io.BytesIO()
        np.save(buffer, array)
        drop(page, ("x.npy", buffer.getvalue()))

    for array in (X, np.asfortranarray(X), X.astype(">f8"), WHOLE, X.astype("f2"), X.astype(np.longdouble)):
        explorer.drawn(lambda array=array: give(array))
        assert page.inner_text("#data-note").startswith("x.npy: 6 samples, 2 inputs, 1 target")
        assert np.array_equal(matrices(page)["data"], array)
    for array, said in (
        (np.zeros((2, 3, 4)), "it has 3 dimensions (2 × 3 × 4): expected a matrix"),
        (np.zeros(5), "it has one column"),
        (X * 1j, "it holds complex numbers: expected real numbers"),
        (NAMED.to_records(), "it holds records: expected real numbers"),
        (np.where(X > 0, X, np.nan), "it is not finite at row"),
    ):
        give(array)
        until(page, f"document.getElementById('data-note').textContent.startsWith('x.npy: {said}')")


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_columns_of_classes_are_not_numbers(explorer, service, kind):
    page = opened(explorer)
    labels = np.array([2, 0, 1, 1, 0, 2, 2, 0, 1, 1])
    inputs = np.random.default_rng(5).standard_normal((10, 4))
    table = pd.DataFrame(inputs, columns=list("abcd")).assign(kind=labels).to_csv(index=False).encode()
    content = table if kind == "csv" else archive(X=inputs, y=labels)
    explorer.drawn(lambda: drop(page, (f"iris.{kind}", content)))
    assert page.inner_text("#data-note") == (
        f"iris.{kind}: 10 samples, 4 inputs, 1 target. "
        "The last column has the 3 values 0, 1, 2, read as numbers. If they are classes, select this below."
    )
    assert page.locator("#first-row").is_visible() == (kind == "csv")
    explorer.drawn(lambda: page.select_option("#last-column", "class"))
    assert page.inner_text("#data-note").startswith(
        f"iris.{kind}: 10 samples, 4 inputs, 3 targets. One target for each"
    )
    assert np.array_equal(matrices(page)["data"], np.hstack([inputs, np.eye(3)[labels]]))
    assert page.input_value("#dims") == "4-3-3"
    assert page.is_disabled("#targets")
    explorer.drawn(lambda: page.select_option("#last-column", "number"))
    assert np.array_equal(matrices(page)["data"], np.hstack([inputs, labels[:, None]]))


def test_classes_with_names(explorer):
    page = opened(explorer)
    names = ["setosa", "virginica", "setosa", "versicolor", "virginica", "setosa"]
    assert refusal(page, "iris.csv", NAMED.assign(species=names).to_csv(index=False)) == (
        "iris.csv: row 2, column 4 is not a number: “setosa”. If this column holds classes, select this below."
    )
    explorer.drawn(lambda: page.select_option("#last-column", "class"))
    expected = pd.get_dummies(pd.Series(names)).to_numpy(float)
    assert np.array_equal(matrices(page)["data"], np.hstack([X, expected]))
    assert "“setosa”, “versicolor”, “virginica”" in page.inner_text("#data-note")


def test_columns_of_signs_are_numbers(explorer):
    page = opened(explorer)
    explorer.drawn(
        lambda: choose(page, "#data-file", "x.csv", NAMED.assign(y=[1, -1] * 3).to_csv(index=False).encode())
    )
    assert page.inner_text("#data-note") == "x.csv: 6 samples, 3 inputs, 1 target"
