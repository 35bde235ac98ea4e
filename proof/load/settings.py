"""Settings of the load proof: those of the deployable project, with the proof's own tables."""

from __future__ import annotations

from deploy.settings import *  # noqa: F403
from deploy.settings import INSTALLED_APPS as _PROJECT_APPS

_DEMO_APPS = {"deploy.sensors", "deploy.traffic", "deploy.shop"}
INSTALLED_APPS = [*(each for each in _PROJECT_APPS if each not in _DEMO_APPS), "proof.load"]
