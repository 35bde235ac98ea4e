"""The admin with the ships in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from tests.support.admin_client import no_users_left
from tests.support.database import Database


@pytest.fixture
def admin_client_of_ships(database: Database) -> Iterator[Client]:
    client = Client()
    with no_users_left(), override_settings(ROOT_URLCONF="tests.support.registered_admin"):
        client.force_login(User.objects.create_superuser("root"))
        yield client
