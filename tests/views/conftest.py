"""The plan most tests draw."""

from __future__ import annotations

import pytest

from jo_notebook.core.plan import Plan
from tests.views.plans import penguin_plan


@pytest.fixture
def penguins() -> Plan:
    return penguin_plan()
