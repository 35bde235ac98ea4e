"""Settings of a project that has one of the neighbours, which NEIGHBOUR names."""

from __future__ import annotations

import os

from tests.acceptance.settings import *  # noqa: F403
from tests.neighbours.third_party_packages import NEIGHBOURS, ThirdPartyPackage

_known = {each.name: each for each in NEIGHBOURS}
NEIGHBOUR: ThirdPartyPackage | None = _known.get(os.environ.get("NEIGHBOUR", ""))

if NEIGHBOUR is not None:
    INSTALLED_APPS += NEIGHBOUR.apps  # noqa: F405
    DATABASES["default"]["ENGINE"] = NEIGHBOUR.engine or DATABASES["default"]["ENGINE"]  # noqa: F405
    globals().update(NEIGHBOUR.settings)
