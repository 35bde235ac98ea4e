"""An admin in which partitioned models are registered as any others."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from tests.apps.depot.models import Parcel, Scan
from tests.apps.fleet.models import Cargo, Ship

site = admin.AdminSite(name="registered")
site.register(Ship, list_display=("name", "sailed_at"), date_hierarchy="sailed_at")
site.register([Cargo, Parcel, Scan])

urlpatterns = [path("registered/", site.urls)]
