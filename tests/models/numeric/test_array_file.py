"""Files of arrays: what is mapped is what was written, and writing to it leaves the file alone."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from models.numeric.array_file import map_arrays, nested, part, write_arrays

arrays = arrays_of.arrays(
    st.sampled_from(["?", "u1", "<i2", "<i4", "<i8", "<f4", "<f8"]),
    arrays_of.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5),
)


@given(st.dictionaries(st.text(max_size=5), arrays, max_size=5))
def test_what_is_mapped_is_what_was_written(
    tmp_path_factory: object, found: dict[str, np.ndarray]
) -> None:
    """Every array comes back with its name, dtype, shape and bytes, aligned."""
    path = Path(tmp_path_factory.mktemp("arrays")) / "file"  # type: ignore[attr-defined]
    write_arrays(path, found)
    mapped = map_arrays(path)
    assert mapped.keys() == found.keys()
    for name, array in found.items():
        assert mapped[name].dtype == array.dtype
        assert mapped[name].shape == array.shape
        assert mapped[name].tobytes() == array.tobytes()
        assert mapped[name].ctypes.data % 64 == 0 or not array.size


def test_who_writes_to_a_mapped_array_has_a_copy(tmp_path: Path) -> None:
    """What one writes to its arrays, neither the file nor another one who maps it has."""
    write_arrays(tmp_path / "file", {"a": np.arange(5000)})
    one, other = map_arrays(tmp_path / "file")["a"], map_arrays(tmp_path / "file")["a"]
    one[:] = 0
    assert (other == np.arange(5000)).all()
    assert (map_arrays(tmp_path / "file")["a"] == np.arange(5000)).all()


def test_a_file_that_is_replaced_stays_mapped(tmp_path: Path) -> None:
    """Who has mapped a file goes on with it after another one took its name, or none did."""
    path = tmp_path / "file"
    write_arrays(path, {"a": np.arange(5000)})
    mapped = map_arrays(path)["a"]
    path.unlink()
    write_arrays(path, {"a": np.zeros(3)})
    assert (mapped == np.arange(5000)).all()


def test_parts_have_their_own_names() -> None:
    """What is put under a name comes out of it, and nothing of a name that only begins alike."""
    inner = {"x": np.arange(3), "y.z": np.arange(2)}
    every = dict([*nested("one", inner), *nested("one2", {"x": np.zeros(1)})])
    assert part("one", every).keys() == inner.keys()
    assert part("two", every) == {}
