"""PostgreSQL refuses to run as root, so root starts it as somebody else."""

from __future__ import annotations

import functools
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Somebody who owns no files. The wheel's programs and the checkout may lie under a folder that only
# root may enter, such as /root: one capability lets the server through. Its superuser could use it
# to write files, so the servers demand a password that only the owner of the folder can read.
# Without no_setuid_fixup, access(2) would ignore the capability.
_CAPABILITY = "-all,+dac_override"
_KEEP_ACCESS = (
    f"--inh-caps={_CAPABILITY}",
    f"--ambient-caps={_CAPABILITY}",
    f"--bounding-set={_CAPABILITY}",
    "--securebits=+no_setuid_fixup",
)
_SWITCH = """\
import os, sys
uid, gid, *command = sys.argv[1:]
os.setgroups([]), os.setgid(int(gid)), os.setuid(int(uid))
os.execvp(command[0], command)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom a server runs as."""

    prefix: tuple[str, ...] = ()
    """Words to put before a command."""

    uid: int | None = None
    """Its user, where it is not this process's own."""

    gid: int | None = None
    """Its group, where it is not this process's own."""

    def own(self, folder: Path) -> None:
        """Give ``folder`` to this account."""
        if self.uid is not None and self.gid is not None:
            os.chown(folder, self.uid, self.gid)


def own_account() -> Account:
    """Return the account of this process."""
    return Account()


@functools.cache
def unprivileged_account() -> Account:
    """Return the account to run PostgreSQL as: this process's own, or ``nobody`` for root.

    Where the machine cannot pass the capability on (no util-linux, or a container without it), it
    is plain ``nobody``, who can run a server only from folders that everybody may enter.
    """
    if os.geteuid() != 0:
        return own_account()
    nobody = pwd.getpwnam("nobody")
    uid, gid = nobody.pw_uid, nobody.pw_gid
    setpriv = ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *_KEEP_ACCESS)
    prefix = setpriv if _succeeds((*setpriv, "true")) else _plain_switch(uid, gid)
    return Account(prefix=prefix, uid=uid, gid=gid)


def _plain_switch(uid: int, gid: int) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", _SWITCH, str(uid), str(gid))


def _succeeds(command: tuple[str, ...]) -> bool:
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
