import pickle

from bertkit.errors import BertkitError, DataError


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
