# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the comparisons with other runtimes share: the golden tensors, the distance of two results, child processes, and means."""
import importlib.util
import json
import math
import os
import pathlib
import subprocess
import sys
import time

try:
    import numpy
except ImportError:
    numpy = None

ROOT = pathlib.Path(__file__).resolve().parents[3]
SHARED = pathlib.Path(os.environ.get("WEIR_SHARED", ROOT / "../shared"))
PACKAGES = ("openvino", "onnxruntime", "numpy")
LEAST_CONFIDENCE = 0.1  # rows of a DetectionOutput below it do not count


def enter(folder, packages=PACKAGES):
    """Starts this program again in a Python environment with the peers, which is made where it is not there."""
    python = folder.resolve() / "bin/python"
    if pathlib.Path(sys.prefix).resolve() == folder.resolve():
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    os.execv(python, [str(python), *sys.argv])


def has(package):
    return importlib.util.find_spec(package) is not None


def require(*packages):
    missing = [p for p in packages if not has(p)]
    if missing:
        print(f"skipped: no Python package {', '.join(missing)}: --install FOLDER makes an environment with the peers", file=sys.stderr)
        sys.exit(77)


def tensor_proto(path):
    """dims and bytes of an ONNX TensorProto: fields 1 (dims, packed or not), 2 (type), 9 (raw data)"""
    data, at, dims, dtype, raw = path.read_bytes(), 0, [], 0, b""

    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 128:
                return value, at

    while at < len(data):
        key, at = varint(at)
        if key & 7 == 0:
            value, at = varint(at)
            if key >> 3 == 1:
                dims.append(value)
            elif key >> 3 == 2:
                dtype = value
        elif key & 7 == 2:
            n, at = varint(at)
            end = at + n
            if key >> 3 == 9:
                raw = data[at:end]
            while key >> 3 == 1 and at < end:
                value, at = varint(at)
                dims.append(value)
            at = end
        else:
            raise ValueError(f"{path}: unexpected field {key >> 3}")
    return numpy.frombuffer(raw, {1: numpy.float32, 2: numpy.uint8, 10: numpy.float16}[dtype]).reshape(dims)


class Golden:
    """A network of golden/tensors: its file, and the inputs and outputs of its first case, as the network takes and gives them."""

    def __init__(self, shared, name, facts):
        self.name, self.facts = name, facts
        self.path = shared / facts["model"]
        self.case0 = shared / "golden/tensors" / name / facts["cases"][0]["folder"]
        self.is_dynamic = any(isinstance(v["shape"][0], list) for v in facts["inputs"])  # a shape for each case

    def inputs(self):
        return [self.read_input(k, v) for k, v in enumerate(self.facts["inputs"])]

    def read_input(self, k, facts):
        u8 = tensor_proto(self.case0 / f"input_{k}.pb")
        per_channel = lambda v: numpy.array(v, numpy.float32).reshape([1, -1] + [1] * (u8.ndim - 2))
        return ((u8 - per_channel(facts["mean"])) * per_channel(facts["scale"])).astype(numpy.float32)

    def outputs(self):
        return [tensor_proto(self.case0 / o["file"]) for o in self.facts["outputs"]]


def golden(shared):
    """{name: Golden}"""
    index = json.loads((shared / "golden/tensors/index.json").read_text())
    return {name: Golden(shared, name, facts) for name, facts in index["models"].items()}


def detections(tensor):
    """rows (class, confidence, corners) of the first picture"""
    rows = numpy.asarray(tensor, numpy.float64).reshape(-1, 7)
    end = numpy.argmax(rows[:, 0] < 0) if (rows[:, 0] < 0).any() else len(rows)
    rows = rows[:end]
    return rows[rows[:, 0] == 0, 1:]


def distance_of_detections(expected, got, tolerance):
    """Each row above the least confidence has one of its class near by on the other side, both ways."""
    worst = 0.0
    tables = detections(expected), detections(got)
    if not (tables[0][:, 1] >= LEAST_CONFIDENCE + tolerance["confidence"]).any():
        return float("inf")  # nothing would be compared
    for here, there in (tables, tables[::-1]):
        for row in here[here[:, 1] >= LEAST_CONFIDENCE + tolerance["confidence"]]:
            same = there[there[:, 0] == row[0]]
            apart = numpy.maximum(numpy.abs(same[:, 1] - row[1]) / tolerance["confidence"], numpy.abs(same[:, 2:] - row[2:]).max(1) / tolerance["box"])
            worst = max(worst, float(apart.min()) if len(apart) else float("inf"))
    return worst


def distance(kind, expected, got, tolerance):
    """How far got is from expected in units of what golden/README.md allows: 1 at most. The first picture of got counts."""
    if kind == "detection_output":
        return distance_of_detections(expected, got, tolerance)
    a = numpy.asarray(expected, numpy.float64)
    b = numpy.asarray(got, numpy.float64).reshape(-1)[:a.size].reshape(a.shape)
    if kind == "exact":
        return 0.0 if (a != b).sum() <= tolerance.get("different", 0) else float("inf")
    apart = numpy.abs(a - b)
    worst = [float((apart / (tolerance["abs"] + tolerance.get("rel", 0) * numpy.abs(a))).max())]
    if "mean_abs" in tolerance:
        worst.append(float(apart.mean()) / tolerance["mean_abs"])
    return max(worst)


def show(r):
    return "–" if r is None else f"**{r:.2f}**" if r < 1 else f"{r:.2f}"


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def rss_mb():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def since_ms(start):
    return (time.monotonic() - start) * 1e3


def run_text(command, env=None):
    """what a command prints"""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=600, env=dict(os.environ, **(env or {})))
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")
    return done.stdout


def run_json(command, env=None):
    """the last line of what a command prints"""
    return json.loads(run_text(command, env).splitlines()[-1])


class Server:
    """A child that answers each line on stdin with a line of JSON, after a first one that nobody asked for."""

    def __init__(self, command, log, env=None):
        self.log = log
        with open(log, "w", encoding="utf-8") as stderr:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True,
                                            env=dict(os.environ, **(env or {})))
        self.first = self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(pathlib.Path(self.log).read_text(encoding="utf-8", errors="replace")[-1500:] or f"exit status {self.process.returncode}")
        return json.loads(line)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
