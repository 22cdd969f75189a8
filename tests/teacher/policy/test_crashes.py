"""Real processes killed with SIGKILL in the middle of debits: no budget is ever overspent."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fedsa.teacher.policy import audit
from fedsa.teacher.policy.office import Office

ROUNDS = 24
LIMIT = 4000

# Imports once, then makes a child process for each line it reads, and reaps it for the next.
NURSERY = """
import os, sys, threading
from pathlib import Path
from fedsa.teacher.policy.office import Office

def live(folder, answers, limit):
    office = Office(Path(folder))
    file, lock = open(answers, "a"), threading.Lock()
    def spend(items):
        record = dict(caller="c", teacher="t", call="predict", set="0" * 64, question="q")
        while True:
            with office.ledger.purse("c", "t", "predict") as purse:
                if not office.charge(items, limit, "ever", 0, purse, **record):
                    return
            with lock:  # what comes after the debit: the answer
                file.write("x" * items)
                file.flush()
            office.record("reply", outcome="answered")
    threads = [threading.Thread(target=spend, args=(k,)) for k in (1, 2, 3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

for line in sys.stdin:
    if line.strip() == "reap":
        print(os.wait()[0], flush=True)
        continue
    child = os.fork()
    if child == 0:
        live(sys.argv[1], sys.argv[2], int(line))
        os._exit(0)
    print(child, flush=True)
"""


class Nursery:
    """A process whose children are killed."""

    def __init__(self, folder: Path, answers: Path) -> None:
        command = [sys.executable, "-c", NURSERY, str(folder), str(answers)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def say(self, line: str) -> int:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@pytest.mark.slow
def test_killed_processes_never_answer_more_than_was_debited(tmp_path: Path) -> None:
    lots = random.Random(7)
    folder, answers = tmp_path / "s", tmp_path / "answers"
    answers.touch()
    nursery = Nursery(folder, answers)
    try:
        for _ in range(ROUNDS):
            pair = [nursery.say(str(LIMIT)) for _ in range(2)]
            before = answers.stat().st_size
            deadline = time.monotonic() + 60
            while answers.stat().st_size == before and time.monotonic() < deadline:
                time.sleep(0.001)  # until they are in the middle of it
            time.sleep(lots.uniform(0.0, 0.05))
            for child in pair:
                os.kill(child, signal.SIGKILL)
            for _ in pair:
                nursery.say("reap")
            assert audit.verify(folder) == []
            office = Office(folder)
            spent = sum(row.spent for row in office.spent())
            office.close()
            assert before < answers.stat().st_size <= spent < LIMIT
            assert audit.verify(folder) == []
        last = nursery.say(str(spent + 50))
        assert nursery.say("reap") == last
    finally:
        nursery.close()
    office = Office(folder)
    assert office.spent()[0].spent == spent + 50 >= answers.stat().st_size
    lines = (folder / "audit.jsonl").read_bytes().splitlines()
    assert len(lines) == audit.head(folder)[0] and audit.verify(folder) == []
