import pickle

import pytest

from bertkit.errors import BertkitError, DataError, listed, shortened


def test_an_error_survives_the_way_from_a_worker_process():
    error = pickle.loads(pickle.dumps(DataError("file.txt:3: broken", "mend it")))
    assert (type(error), error.message, error.hint, error.exit_code) == (
        DataError,
        "file.txt:3: broken",
        "mend it",
        3,
    )


def test_an_exit_code_can_be_given():
    assert BertkitError("x", exit_code=9).exit_code == 9
    assert BertkitError("x").exit_code == 1


@pytest.mark.parametrize(("count", "text"), [(2, "a, b"), (1, "a and 1 more")])
def test_long_lists_are_shortened(count, text):
    assert shortened(["a", "b"], count) == text


@pytest.mark.parametrize(("count", "text"), [(3, "a; b; c"), (2, "a; b; and 1 more")])
def test_many_faults_are_one_line(count, text):
    assert listed(["a", "b", "c"], count) == text
