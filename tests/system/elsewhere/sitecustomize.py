"""Shows bertkit, in this process and its workers, the modules that another system has.

Python reads this file at its start from a folder on PYTHONPATH. Only imports that bertkit's own
modules make are changed: Python and the libraries are Linux's. What is hidden is what typeshed,
from which type checkers know the standard library, says the other system lacks.
"""

import builtins
import importlib
import os
import signal
import sys

SYSTEM = os.environ.get("BERTKIT_TEST_SYSTEM", "")
MODULES = {
    "win32": {
        *("crypt", "curses", "fcntl", "grp", "nis", "ossaudiodev", "posix", "pty", "pwd"),
        *("readline", "resource", "spwd", "syslog", "termios", "tty"),
    },
    "darwin": {"ossaudiodev", "spwd", "nis"},
}
# fmt: off
LACKS = {
    "win32": {
        "os": {
            "O_ASYNC", "O_CLOEXEC", "O_DIRECT", "O_DIRECTORY", "O_DSYNC", "O_LARGEFILE",
            "O_NDELAY", "O_NOATIME", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK", "O_PATH", "O_RSYNC",
            "O_SYNC", "O_TMPFILE", "WNOHANG", "chown", "chroot", "confstr", "copy_file_range",
            "ctermid", "eventfd", "fchdir", "fchmod", "fchown", "fork", "forkpty", "fpathconf",
            "fstatvfs", "fwalk", "getegid", "geteuid", "getgid", "getgroups", "getloadavg",
            "getpgid", "getpgrp", "getpriority", "getresuid", "getsid", "getuid", "getxattr",
            "initgroups", "killpg", "lchown", "lockf", "major", "makedev", "memfd_create", "minor",
            "mkfifo", "mknod", "nice", "openpty", "pathconf", "pidfd_open", "pipe2",
            "posix_fadvise", "posix_fallocate", "posix_spawn", "posix_spawnp", "pread", "preadv",
            "pwrite", "pwritev", "readv", "register_at_fork", "sched_getaffinity",
            "sched_setaffinity", "sched_yield", "sendfile", "setegid", "seteuid", "setgid",
            "setpgid", "setpriority", "setsid", "setuid", "splice", "statvfs", "sync", "sysconf",
            "tcgetpgrp", "tcsetpgrp", "ttyname", "uname", "wait", "wait3", "wait4", "waitid",
            "writev",
        },
        "signal": {
            "SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP",
            "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGXCPU",
            "SIGXFSZ", "alarm", "getitimer", "pause", "pthread_kill", "pthread_sigmask",
            "setitimer", "siginterrupt", "sigpending", "sigtimedwait", "sigwait", "sigwaitinfo",
        },
        "time": {"clock_gettime", "clock_settime", "pthread_getcpuclockid", "tzset"},
        "socket": {"AF_UNIX", "socketpair"},
    },
    "darwin": {
        "os": {
            "O_DIRECT", "O_LARGEFILE", "O_NOATIME", "O_PATH", "O_RSYNC", "O_TMPFILE",
            "copy_file_range", "eventfd", "getxattr", "memfd_create", "pidfd_open",
            "posix_fadvise", "posix_fallocate", "sched_getaffinity", "sched_setaffinity",
            "splice",
        },
        "signal": {"sigtimedwait", "sigwaitinfo", "SIGSTKFLT", "SIGPWR", "SIGCLD"},
    },
}
# fmt: on


def refused_kill(number, what):
    """Windows' `os.kill` knows Ctrl-C and the end of a process; 0 is Ctrl-C for a group."""
    raise AssertionError(f"os.kill({number}, {what}) does not do on Windows what it does here")


class Other:
    """A module as another system has it: without some names, and with other values of some."""

    def __init__(self, module, lacks, values):
        self.__dict__.update(_module=module, _lacks=lacks, _values=values)

    def __getattr__(self, name):
        if name in self._lacks:
            raise AttributeError(f"module {self._module.__name__!r} has no attribute {name!r}")
        return self._values[name] if name in self._values else getattr(self._module, name)

    def __setattr__(self, name, value):
        setattr(self._module, name, value)


def install():
    """Change what `import` gives to bertkit's modules."""
    values = {"sys": {"platform": SYSTEM}}
    if SYSTEM == "win32":
        values["os"] = {"kill": refused_kill, "name": "nt"}
    names = {*LACKS[SYSTEM], *values}
    others = {}
    usual = builtins.__import__

    def other(name, globals=None, locals=None, fromlist=(), level=0):
        ours = globals is not None and str(globals.get("__name__", "")).startswith("bertkit")
        if not ours or level:
            return usual(name, globals, locals, fromlist, level)
        first = name.partition(".")[0]
        if first in MODULES[SYSTEM]:
            raise ModuleNotFoundError(f"No module named {first!r}", name=first)
        module = usual(name, globals, locals, fromlist, level)
        if name not in names and not (first in names and not fromlist):
            return module
        if first not in others:
            lacks = LACKS[SYSTEM].get(first, set())
            whole = importlib.import_module(first)
            others[first] = Other(whole, lacks, values.get(first, {}))
        return others[first]

    builtins.__import__ = other


if SYSTEM:
    assert sys.platform == "linux", "it hides what Linux has"
    assert signal.SIGHUP, "nothing is hidden from others"
    install()
