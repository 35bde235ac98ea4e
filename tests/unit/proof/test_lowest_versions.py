"""Each requirement names a lowest version, and those are what ``make lowest`` installs."""

from __future__ import annotations

import pytest

from proof.lowest import lowest

PROJECT = {
    "name": "ours",
    "dependencies": ["celery[redis]>=5.5", "Django>=5.2,<6.1"],
    "optional-dependencies": {"web": ["gunicorn>=23.0"], "test": ["ours[web]", "pytest>=8.3"]},
}


def test_the_lowest_of_the_project_and_of_the_extras_of_an_extra() -> None:
    assert lowest(PROJECT, []) == ["Django==5.2", "celery==5.5"]
    assert lowest(PROJECT, ["test"]) == [
        "Django==5.2",
        "celery==5.5",
        "gunicorn==23.0",
        "pytest==8.3",
    ]


def test_a_requirement_without_a_lowest_version_is_refused() -> None:
    with pytest.raises(ValueError, match="gunicorn<24 says no lowest version"):
        lowest(PROJECT | {"dependencies": ["gunicorn<24"]}, [])
