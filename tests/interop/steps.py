"""What every Python client does: named steps, one line of output each, and the values they carry.

A line is `ok STEP`, `FAIL STEP reason`, `skip STEP reason` or `part STEP reason`; `matrix.rs`
reads them.
"""

import asyncio
import os
import sys

# Where whoever runs this wants it to meet nobody else.
REALM = os.environ.get("INTEROP_REALM", "realm1")

# Longer than any step needs, shorter than anyone wants to wait for a hang.
PATIENCE_SECONDS = 20

# One of each kind that all serializers can carry.
VALUES = ["text é 😀", 42, -7, 9007199254740991, 1.5, True, False, None, [1, [2, []]], {"k": {}}]
KWARGS = {"answer": 42, "words": ["a", "b"]}
BINARY = bytes(range(256))

# Close to what the router takes by default, which is 1 MiB.
LARGE = 1_000_000

BURST = 200


class Skip(Exception):
    """This client cannot do this step."""


class Part(Exception):
    """This client can do part of this step, and that part went well."""


class Steps:
    """Runs steps and remembers whether all of them went well."""

    def __init__(self):
        self.failed = False

    async def run(self, name, step):
        try:
            await asyncio.wait_for(step(), PATIENCE_SECONDS)
            print("ok", name, flush=True)
        except Skip as skip:
            print("skip", name, skip, flush=True)
        except Part as part:
            print("part", name, part, flush=True)
        except BaseException as fault:
            self.failed = True
            reason = f"{type(fault).__name__}: {fault}".replace("\n", " ")[:500]
            print("FAIL", name, reason, flush=True)
            if name == "join":
                self.finish()

    def finish(self):
        # Without farewell: what still hangs was meant to.
        sys.stdout.flush()
        os._exit(1 if self.failed else 0)


def expect(value, wanted, what="value"):
    if value != wanted:
        raise AssertionError(f"{what}: {str(value)[:200]!r} instead of {str(wanted)[:200]!r}")


async def until_stdin_closes():
    """Whoever started this process lets go of its standard input when it is no longer needed."""
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def next_of(queue):
    return await asyncio.wait_for(queue.get(), PATIENCE_SECONDS / 2)


async def silence_of(queue, seconds=0.2):
    await asyncio.sleep(seconds)
    if not queue.empty():
        raise AssertionError(f"unexpected: {str(queue.get_nowait())[:200]}")
