"""Imports every module of bertkit, and says what each failed with; for test_elsewhere.py."""

import importlib
import pkgutil
import sys

import bertkit

failed = {}
found = list(pkgutil.walk_packages(bertkit.__path__, "bertkit."))
for module in found:
    if module.name == "bertkit.__main__":
        continue
    try:
        importlib.import_module(module.name)
    except Exception as error:
        failed[module.name] = f"{type(error).__name__}: {error}"
sys.stdout.write(f"{len(found)} modules, {failed}\n")
sys.exit(bool(failed))
