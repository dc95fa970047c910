import numpy as np
import pytest

from fengsui.stores.history.rows import Rows

DAY = 86_400_000
T0 = 1_700_000_000_000 // DAY * DAY  # midnight, UTC
NAMES = ["dev-a", "dev-b"]


@pytest.fixture
def catalogue(tmp_path):
    from fengsui.stores.history import Catalogue  # needs Django, which is set up after this file is read

    return Catalogue(tmp_path / "history")


def make_rows(datastream, time_ms, value=None) -> Rows:
    n = len(datastream)
    return Rows(
        np.asarray(datastream, np.int32),
        np.asarray(time_ms, np.int64),
        np.arange(n, dtype=float) if value is None else np.asarray(value, float),
        np.zeros(n, np.uint8),
        np.zeros(n, np.uint8),
        np.arange(n, dtype=np.int32) % len(NAMES),
        np.asarray(time_ms, np.int64) + 50,
    )
