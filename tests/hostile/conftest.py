from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

_ASKED = os.environ.get("FUZZ_EXAMPLES")
_EXAMPLES = int(_ASKED or 10)

for _name, _examples in (("hostile", _EXAMPLES), ("hostile-pure", _EXAMPLES * 8)):
    settings.register_profile(
        _name,
        deadline=None,
        # The same examples in each run of all tests, and new ones in each run that looks for more.
        derandomize=_ASKED is None,
        max_examples=_examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
