"""Who is refused, and what a malicious app finds at an institution of three users: nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fedsa.app_folder import app_root
from fedsa.deploy import certificates
from fedsa.deploy.bundles import Bundle, build
from fedsa.deploy.pinning import REASON
from tests.deploy.conftest import Running
from tests.deploy.federation import Institution, eventually, read

pytestmark = pytest.mark.slow

SPY = '''
import glob, json, os
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.query("spy")
def spy(message, context):
    """Read all that can be read: what the coordinator knows of, and every process's memory."""
    wanted = json.loads(message.content["c"]["paths"])
    wanted += [f"/proc/{pid}/{what}" for pid in json.loads(message.content["c"]["pids"])
               for what in ("mem", "environ", "maps")]
    found = []
    for path in wanted:
        try:
            with open(path, "rb") as file:
                file.read(0 if path.endswith("/mem") else 1)
            found.append(path)
        except OSError:
            pass
    for folder in json.loads(message.content["c"]["folders"]):
        try:
            found += [os.path.join(folder, name) for name in os.listdir(folder)]
        except OSError:
            pass
    told = {"found": found, "uid": os.getuid(), "groups": os.getgroups()}
    record = RecordDict({"c": ConfigRecord({"told": json.dumps(told)})})
    return Message(record, reply_to=message)
'''
MASTER = """
import json
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.serverapp import ServerApp

app = ServerApp()


@app.main()
def main(grid, context):
    told = {}
    record = RecordDict({"c": ConfigRecord(json.load(open(context.run_config["scenario"])))})
    nodes = list(grid.get_nodes())
    sent = {}
    for node in nodes:
        message = Message(record, dst_node_id=node.node_id, message_type="query.spy")
        (known,) = grid.push_messages([message])
        sent[known] = node.name
    import time
    end = time.time() + 300
    while sent and time.time() < end:
        for reply in grid.pull_messages(list(sent)):
            name = sent.pop(reply.metadata.reply_to_message_id)
            if reply.has_error():
                told[name] = {"code": reply.error.code, "reason": reply.error.reason}
            else:
                told[name] = json.loads(reply.content["c"]["told"])
        time.sleep(0.5)
    aside = context.run_config["run-dir"] + ".tmp"
    json.dump(told, open(aside, "w"))
    import os
    os.replace(aside, context.run_config["run-dir"])
"""


@pytest.fixture(scope="module")
def told(running: Running, late: Institution) -> Iterator[dict[str, Any]]:
    """What the malicious app's server learned; two institutions were fooled to approve it."""
    federation = running.federation
    root = federation.root / "evil"
    shutil.copytree(app_root() / "strategies", root / "strategies")
    for name in ("pyproject.toml", "LICENSE"):
        shutil.copy(app_root() / name, root)
    for name, text in (("clients", SPY), ("server", MASTER)):
        (root / name).mkdir()
        (root / name / "__init__.py").touch()
        (root / name / "app.py").write_text(text)
    digits = Bundle.parse(build(root)).hash
    if late.supernode.process() is None:
        late.block("three-users-start")
    torch = running.institutions["torch"]
    for institution in (torch, late):
        code, said = federation.run(
            "hub", "fedsa", "client", "approve", digits, "--state", institution.folder
        )
        assert code == 0, said
    asked: dict[str, list[Any]] = {"paths": [], "pids": [], "folders": []}
    for institution in (torch, late):
        teacher = Path(institution.variables["TEACHER"])
        records = institution.records / "records"
        assert (records / "ledger.sqlite").exists()
        asked["paths"] += [institution.folder / "node", *teacher.parent.iterdir()]
        asked["paths"] += [path for path in records.rglob("*") if path.is_file()]
        asked["folders"] += [institution.folder, teacher.parent, records, institution.records]
        asked["pids"] += [
            process.pid
            for service in (institution.gateway, institution.supernode)
            if (process := service.process()) is not None
        ]
    asked["paths"] += [late.folder / "secret", late.folder.parent / "app" / "secret"]
    plan, result = federation.root / "plan.json", federation.root / "told.json"
    plan.write_text(json.dumps({key: json.dumps(v, default=str) for key, v in asked.items()}))
    code, said = federation.run(
        "hub", "flwr", "run", root, "real", "-c", f'scenario="{plan}" run-dir="{result}"'
    )
    assert code == 0, said
    eventually(result.exists, 400.0)
    yield {"asked": asked, "hash": digits, **read(result)}


def test_a_bundle_that_is_not_approved_is_refused(running: Running, told: dict[str, Any]) -> None:
    for name in ("onnx", "sklearn"):
        assert told[name] == {"code": 7, "reason": REASON.format(hash=told["hash"])}
        node = running.institutions[name]
        assert f"fedsa client review {told['hash'][:12]}" in node.supernode.log.read_text()
        code, said = running.federation.run(
            "hub", "fedsa", "client", "review", "--state", node.folder
        )
        assert code == 0 and told["hash"] in said and "4 files changed" in said


def test_with_three_users_a_malicious_app_finds_nothing(
    late: Institution, told: dict[str, Any]
) -> None:
    found = told["late"]
    assert found["uid"] == 61003 and found["groups"] == [61003]
    # Other institutions' folders are on this machine too, for the test's convenience.
    root, teacher = late.folder.parent, Path(late.variables["TEACHER"]).parent
    pids = [service.process() for service in (late.gateway, late.supernode)]
    places = [f"{root}/", f"{teacher}", *(f"/proc/{one.pid}/" for one in pids if one is not None)]
    assert len(places) == 4
    asked = [path for path in told["asked"]["paths"] if str(path).startswith(tuple(places))]
    assert len(asked) > 6  # key, teacher, ledger, records, secrets
    seen = [path for path in found["found"] if path.startswith(tuple(places))]
    assert seen == [f"{root}/app/secret"]  # its own


def test_with_one_user_a_malicious_app_finds_the_key_and_the_model(
    running: Running, told: dict[str, Any]
) -> None:
    torch = running.institutions["torch"]
    found = set(told["torch"]["found"])
    assert {str(torch.folder / "node"), str(running.files["torch"])} <= found
    gateway = torch.gateway.process()
    assert gateway is not None and f"/proc/{gateway.pid}/mem" in found


def test_a_node_that_is_not_registered_is_refused(running: Running) -> None:
    said = _start(running, "stranger", running.federation.variables["SUPERLINK_CA"])
    assert "Failed to activate SuperNode" in said


def test_a_superlink_with_another_certificate_is_refused(running: Running) -> None:
    other = certificates.make_authority(running.federation.root / "other")
    said = _start(running, "deceived", str(other))
    assert "CERTIFICATE_VERIFY_FAILED" in said


def _start(running: Running, name: str, authority: str) -> str:
    """Start a new node, which trusts an authority; return what it said when it gave up."""
    federation, torch = running.federation, running.institutions["torch"]
    folder = federation.root / name
    variables = {**torch.variables, "INSTITUTION": folder, "SUPERLINK_CA": authority}
    node = Institution(
        federation,
        "torch",
        folder,
        folder,
        {**variables, "RUNTIME_PORT": str(federation.network.port("torch", 19120))},
    )
    federation.services += [node.gateway, node.supernode]
    node.block("one-user")
    with (folder / "supernode.env").open("a") as settings:
        settings.write('SUPERNODE_OPTIONS="--max-retries 1"\n')
    script = ("bash", "clients/kit/start-supernode.sh", folder)
    code, said = federation.run("torch", "env", "START_PATIENCE=0", *script)
    node.block("stop")
    assert node.gateway.process() is None
    assert code == 5 and "'supernode' did not start" in said, said
    return said + node.supernode.log.read_text()


STRANGER = """
import sys
from pathlib import Path
from fedsa.messages import Describe
from fedsa.teacher.gateway.client import ask
from fedsa.teacher.gateway.target import Target
address, ca, certificate = sys.argv[1:]
target = Target(address, Path(ca), Path(certificate + ".crt"), Path(certificate + ".key"))
print(ask(target, Describe(), 10.0, patience=1.0))
"""


def test_a_gateway_refuses_another_authoritys_client(running: Running) -> None:
    torch, federation = running.institutions["torch"], running.federation
    keys = torch.records / "keys"
    strange = federation.root / "strange"
    certificates.make_authority(strange)
    certificates.make_client(strange, "coordinator")
    address = f"{torch.variables['GATEWAY_HOST']}:{torch.variables['GATEWAY_PORT']}"
    for folder, good in ((keys, True), (strange, False)):
        code, said = federation.run(
            "torch", "python", "-c", STRANGER, address, keys / "ca.crt", folder / "coordinator"
        )
        assert code == 0 and ("Described" in said) is good, said
        assert good or "unreachable" in said
