"""State files are whole or not there."""

import numpy as np
import pytest

from fengsui.stores.checkpoints import states


def test_a_state_comes_back_as_it_was(tmp_path):
    columns = {
        "a": np.arange(5),
        "of.b": np.zeros(0),
        "of.c": np.arange(12.0).reshape(3, 4)[:, ::2],
        "of.d": np.array("name"),
        "e": np.arange(2 * states.CHUNK, dtype=np.uint8),
    }
    name = states.save(tmp_path / "states", 3, columns)
    with states.load(tmp_path / "states", name) as back:
        assert set(back) == set(columns)
        for part, column in columns.items():
            assert back[part].dtype == column.dtype
            assert np.array_equal(back[part], column)
        assert set(back.under("of.")) == {"b", "c", "d"}
        assert str(back["of.d"]) == "name"
        with pytest.raises(KeyError):
            back["f"]


def test_a_state_is_a_file_of_numpy(tmp_path):
    name = states.save(tmp_path, 0, {"a": np.arange(5)})
    assert np.load(tmp_path / name)["a"].tolist() == [0, 1, 2, 3, 4]


def test_a_state_that_could_not_be_written_leaves_nothing(tmp_path):
    class Full(np.ndarray):
        def reshape(self, *shape):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        states.save(tmp_path, 0, {"a": np.zeros(3).view(Full)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("harm", ["missing", "cut", "flipped"])
def test_a_damaged_state_is_named_never_believed(tmp_path, harm):
    name = states.save(tmp_path, 0, {"a": np.arange(1000)})
    data = bytearray((tmp_path / name).read_bytes())
    if harm == "missing":
        (tmp_path / name).unlink()
    elif harm == "cut":
        (tmp_path / name).write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        (tmp_path / name).write_bytes(data)
    with pytest.raises(states.BadState, match=name), states.load(tmp_path, name) as back:
        back["a"]


def test_old_states_of_the_same_partition_are_deleted(tmp_path):
    old, kept, other = (states.save(tmp_path, p, {"a": np.zeros(1)}) for p in (0, 0, 1))
    (tmp_path / ".p0000-x.state.draft").write_bytes(b"")
    assert states.remove_others(tmp_path, 0, kept) == 2
    assert {f.name for f in tmp_path.iterdir()} == {kept, other}
    assert old != kept
