"""Fixtures of the tests on Gaudi."""

from __future__ import annotations

import pytest
import synthetic

from backends.hpu import gaudi


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    place = tmp_path_factory.mktemp("records") / "r.tfrecord"
    return synthetic.write(place, gaudi.RECORDS, seed=5)


@pytest.fixture
def stand_in():
    with gaudi.machine():
        yield
