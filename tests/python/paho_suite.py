"""Runs one test of a script of the Eclipse Paho suite for brokers, or lists the script's tests. Prints JSON.

paho_suite.py SCRIPT PORT [TEST]
"""

import io
import json
import os
import runpy
import sys
import unittest

SAID_MAX = 8000


def main():
    script, port, *names = sys.argv[1:]
    folder = os.path.dirname(script)
    os.chdir(folder)
    sys.path.insert(0, folder)
    told = {}
    run = unittest.main

    # The script hands its own options to unittest, which knows none of them.
    def run_one(*_arguments, **_options):
        tests = sys.modules["__main__"].Test
        if not names:
            told["tests"] = unittest.defaultTestLoader.getTestCaseNames(tests)
            return
        program = run(module="__main__", argv=[script, "Test." + names[0]], exit=False)
        told["passed"] = program.result.testsRun == 1 and program.result.wasSuccessful()

    unittest.main = run_one
    sys.argv = [script, "--hostname", "localhost", "--port", port]
    printed, said = sys.stdout, io.StringIO()
    sys.stdout = sys.stderr = said
    runpy.run_path(script, run_name="__main__")
    told["said"] = said.getvalue()[-SAID_MAX:]
    print(json.dumps(told), file=printed, flush=True)
    # Threads of the suite may still wait for a socket.
    os._exit(0)


main()
