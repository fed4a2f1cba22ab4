"""The page of parameters says what the classes say."""

from __future__ import annotations

from write_parameter_docs import PAGE, page


def test_the_page_of_parameters_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run tools/write_parameter_docs.py"
