"""Zip archives of npy entries, valid and invalid, written without code of the packages under test."""

import io
import json
import struct
import warnings
import zipfile

import numpy as np


def npy(array) -> bytes:
    """Encode an array as an npy entry; objects are pickled."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array))
    return buffer.getvalue()


def npy_header(shape, descr="<f8", content=b"") -> bytes:
    """Build an npy entry with any header and any content."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + content


def zipped(entries, compression=zipfile.ZIP_STORED) -> bytes:
    """Build an archive of entries (name, bytes), whose names may repeat."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of duplicate names
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def message(metadata, compression=zipfile.ZIP_STORED, **arrays) -> bytes:
    """Build a message as the contract describes it; keywords have two underscores for each dot of a name."""
    entries = [("metadata.npy", npy(json.dumps(metadata)))]
    entries += [(f"{name.replace('__', '.')}.npy", npy(array)) for name, array in arrays.items()]
    return zipped(entries, compression)


def with_size(archive: bytes, true: int, claimed: int) -> bytes:
    """Replace the uncompressed size of an entry in both of its headers."""
    old, new = struct.pack("<I", true), struct.pack("<I", claimed)
    assert archive.count(old) == 2
    return archive.replace(old, new)
