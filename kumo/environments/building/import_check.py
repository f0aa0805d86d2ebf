"""Run in the Python of a new build: imports modules, one after the other, and says how that went.

Nothing but the standard library, and what every Python from 3.8 on understands. The modules stand in the first line of
standard input; each begins and ends with a line of standard output. What they print themselves goes to standard error.
"""

import importlib
import json
import os
import sys
import traceback


def main() -> None:
    """Import what is asked for."""
    names = json.loads(sys.stdin.readline())
    answers = os.fdopen(os.dup(1), "w", 1)
    os.dup2(2, 1)
    for name in names:
        answers.write(json.dumps({"begins": name}) + "\n")
        error = None
        try:
            importlib.import_module(name)
        except BaseException as raised:  # noqa: BLE001 - whatever a module raises, `SystemExit` too, is what is asked
            sys.stdout.flush()
            traceback.print_exc()
            missing = isinstance(raised, (ImportError, SyntaxError))
            error = {"text": "%s: %s" % (type(raised).__name__, raised), "cannot_be_imported": missing}
        answers.write(json.dumps({"ends": name, "error": error}) + "\n")
    # Threads that a module has started must not keep this process.
    for stream in (answers, sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
