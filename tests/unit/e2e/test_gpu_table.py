"""The table of accelerator cases in the documentation is the one that the tests run."""

from tests.e2e.gpu_table import page, written


def test_the_table_is_the_one_that_is_made():
    assert page().read_text() == written(page().read_text()), "write it anew: python -m tests.e2e.gpu_table"
