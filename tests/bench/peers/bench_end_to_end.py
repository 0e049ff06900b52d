#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""End to end, interleaved: videos through Weir's elements and through a careful program of GStreamer and OpenVINO.

    bench_end_to_end.py [--build DIR] [--shared DIR] [--rounds 3] [--cases faces,cars,…] [--streams 1,4,8] [--modes fast,paced]
                        [--frames 480] [--seconds 5] [--properties TEXT] [--prefix COMMAND]
                        [--stages] [--check | --trust] [--json FILE]

Both sides decode the same file with the same elements (pipeline_kit.cpp), one process a measurement, one after the other, round by
round; the order turns. Weir runs as it comes (elements_pipeline.cpp); OpenVINO (openvino_pipeline.cpp) with the throughput hint and
each number of requests of --requests, and what counts is that with the most frames a second (paced: with the lowest p99). First both
must find the same on the same frames. `fast`: as fast as possible, --frames in all; `paced`: cameras of 30 frames a second for
--seconds, where latency is from the camera to the result. The first results are not counted, so loading is not in it. --stages: what
decoding, preprocessing and the way of a frame, and the network take of Weir's CPU time, by leaving stages out; --check and --trust:
only the check, only the measurement.

The programs are built here with $CXX or g++, once: needs the development files of GStreamer and the Python package openvino, which
brings OpenVINO's headers and libraries. Without them this says so and exits with 77.
"""
import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

try:
    import openvino
except ImportError as e:
    print(f"skipped: {e}: python3 -m venv peers && peers/bin/pip install openvino, then run this with peers/bin/python", file=sys.stderr)
    sys.exit(77)

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PACKAGES = ["gstreamer-app-1.0", "gstreamer-video-1.0"]
SOURCES = {"openvino_pipeline": ["openvino_pipeline.cpp", "pipeline_kit.cpp", "plane_resize.cpp"],
           "elements_pipeline": ["elements_pipeline.cpp", "pipeline_kit.cpp"]}
HEADERS = ["pipeline_kit.hpp", "plane_resize.hpp"]
CAMERA_FPS = 30
MIN_IOU, MIN_MATCHED, MIN_AGREE = 0.85, 0.96, 0.95  # of boxes that are the same; of all boxes; of the attributes of those
BORDER = 0.03  # boxes whose confidence is so near the threshold may be missing on one side


def ir(name, precision):
    return f"models/ir/{name}/{precision}/{name}.xml"


FACES = {"video": "videos/faces-768x432.h264", "length": 300, "model": ir("face-detection-retail-0004", "FP32"), "label": 1, "class": "face"}
CARS = {"video": "videos/car-detection.mp4", "length": 377, "model": ir("person-vehicle-bike-detection-2000", "FP16"), "label": 0, "class": "vehicle"}
CASES = {
    "faces": FACES,
    "cars": CARS,
    # from a key frame on behind which there are cars; second stages in their default precision: age-gender is quantised, on both sides
    "faces+age-gender": {**FACES, "classifier": ir("age-gender-recognition-retail-0013", "FP16-INT8"), "attributes": {"gender": "prob"}},
    "cars+attributes": {**CARS, "skip": 180, "length": 197, "classifier": ir("vehicle-attributes-recognition-barrier-0039", "FP32"),
                        "attributes": {"type": "type", "color": "color"}},
    "faces int8": {**FACES, "model": ir("face-detection-retail-0004", "FP16-INT8"), "precisions": ["default"]},
}


class Skip(Exception):
    pass


def output(command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as e:
        raise Skip(f"{shlex.join(map(str, command))}: {getattr(e, 'stderr', '') or e}") from e


def build_programs(folder):
    """Compiles what is older than its sources; the openvino package's library has a version in its name and no link."""
    ov = pathlib.Path(openvino.__file__).parent
    library = next(iter(sorted((ov / "libs").glob("libopenvino.so*"))), None)
    if not library or not (ov / "include/openvino/openvino.hpp").exists():
        raise Skip(f"{ov}: no headers or libraries of OpenVINO: pip install openvino")
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    gst = {what: output(["pkg-config", f"--{what}", *PACKAGES]).split() for what in ("cflags", "libs")}
    folder.mkdir(parents=True, exist_ok=True)
    programs = {}
    for name, sources in SOURCES.items():
        program = programs[name] = folder / name
        newest = max((HERE / f).stat().st_mtime for f in sources + HEADERS)
        if program.exists() and program.stat().st_mtime > newest:
            continue
        peer = name == "openvino_pipeline"
        link = [str(library), f"-Wl,-rpath,{ov / 'libs'}"] if peer else []
        print(f"building {name}", file=sys.stderr)
        output([*compiler, "-std=c++17", "-O3", "-march=native", "-Wall", "-Wextra", *([f"-isystem{ov / 'include'}"] if peer else []), *gst["cflags"],
                *(str(HERE / s) for s in sources), "-o", str(program), *link, *gst["libs"], "-pthread"])
    return programs


def native_precisions():
    """f32, and what the processor has natively beside it"""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    return ["f32", "default"] if "amx_bf16" in flags or "avx512_bf16" in flags else ["f32"]


class Bench:
    """Runs one side once; every result is the JSON object of its program."""

    def __init__(self, arguments, folder):
        self.a, self.folder = arguments, folder
        self.programs = build_programs(arguments.build / "tests/bench/peers")
        plugins = [str(arguments.build / "gst"), os.environ.get("GST_PLUGIN_PATH", "")]
        self.env = dict(os.environ, GST_PLUGIN_PATH=":".join(filter(None, plugins)), GST_REGISTRY=str(folder / "registry"),
                        WEIR_CACHE_DIR=str(folder / "cache"))

    def path(self, relative):
        path = self.a.shared / relative
        if not path.exists():
            raise Skip(f"{path}: no such file; --shared says where models and videos are")
        return path

    def run(self, program, case, n_streams, fps, options, prefix=None):
        frames = min(case["length"], int(CAMERA_FPS * self.a.seconds) if fps else max(1, self.a.frames // n_streams))
        command = [self.programs[program], "--video", self.path(case["video"]), "--streams", n_streams, "--fps", fps,
                   "--frames", frames, "--skip", case.get("skip", 0), *options]
        command = (self.a.prefix if prefix is None else prefix) + [str(c) for c in command]
        done = subprocess.run(command, capture_output=True, text=True, env=self.env, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{shlex.join(command)}: {done.stderr[-2000:]}")
        return json.loads(done.stdout.splitlines()[-1])

    def elements(self, case, precision, more=""):
        auto = "auto" if precision == "default" else precision
        line = f"inferdetect name=first model=\"{self.path(case['model'])}\" precision={auto} labels=\"{self.labels(case)}\" {more}"
        if "classifier" in case:
            line += f" ! inferclassify model=\"{self.path(case['classifier'])}\" model-proc=\"{self.model_proc(case)}\""
            line += f" classes={case['class']} {more}"
        return line

    def labels(self, case):
        return self.path(f"golden/frames/labels/{pathlib.Path(case['model']).stem}.txt")

    def model_proc(self, case):
        return self.path(f"golden/frames/model-proc/{pathlib.Path(case['classifier']).stem}.json")

    def weir(self, case, n_streams, fps, precision, more=""):
        return self.run("elements_pipeline", case, n_streams, fps, ["--elements", self.elements(case, precision, more)])

    def openvino(self, case, n_streams, fps, precision, requests, *more, prefix=None):
        options = ["--model", self.path(case["model"]), "--precision", precision, "--label", case["label"], "--requests", requests, *more]
        if "classifier" in case:
            options += ["--classifier", self.path(case["classifier"])]
        return self.run("openvino_pipeline", case, n_streams, fps, options, prefix)

    def found(self, case, precision):
        """What both sides find in every frame: {frame: [(label, confidence, box, {attribute: class})]}"""
        lists = [self.folder / "ours", self.folder / "theirs"]
        publish = f"{self.elements(case, precision)} ! inferpublish location={lists[0]}"
        whole = ["--frames", case["length"], "--warm-up", 0]
        self.run("elements_pipeline", case, 1, 0, ["--elements", publish, "--tear-down", 1, *whole], prefix=[])
        self.openvino(case, 1, 0, precision, 2, "--objects", lists[1], *whole, prefix=[])
        read = lambda path, objects: {f["frame"]: objects(f) for f in map(json.loads, path.read_text().splitlines())}
        ours = read(lists[0], lambda f: [our_object(o, case) for o in f["objects"]])
        theirs = read(lists[1], lambda f: [their_object(o, case) for o in f["objects"]])
        return ours, theirs


def our_object(o, case):
    box = o["detection"]["bounding_box"]
    attributes = {a: o[a]["label_id"] for a in case.get("attributes", {}) if a in o}
    return o["detection"]["label_id"], o["detection"]["confidence"], [box[k] for k in ("x_min", "y_min", "x_max", "y_max")], attributes


def their_object(o, case):
    values = o["outputs"]
    attributes = {a: max(range(len(values[n])), key=values[n].__getitem__) for a, n in case.get("attributes", {}).items() if n in values}
    return o["label_id"], o["confidence"], [min(max(v, 0), 1) for v in o["box"]], attributes


def iou(a, b):
    side = lambda i: max(0, min(a[i + 2], b[i + 2]) - max(a[i], b[i]))
    area = lambda r: (r[2] - r[0]) * (r[3] - r[1])
    common = side(0) * side(1)
    return common / max(area(a) + area(b) - common, 1e-12)


def compare(ours, theirs, threshold=0.5):
    """Boxes of a frame are matched by class and overlap, best first."""
    ious, agree, n_attributes, missing = [], 0, 0, 0
    if ours.keys() != theirs.keys():
        raise RuntimeError(f"{len(ours)} and {len(theirs)} frames")
    for frame, objects in ours.items():
        left = list(theirs[frame])
        for o in objects:
            best = max((t for t in left if t[0] == o[0]), key=lambda t: iou(o[2], t[2]), default=None)
            if best is None or iou(o[2], best[2]) < MIN_IOU:
                missing += o[1] > threshold + BORDER
                continue
            left.remove(best)
            ious.append(iou(o[2], best[2]))
            n_attributes += len(o[3])
            agree += sum(best[3].get(a) == c for a, c in o[3].items())
        missing += sum(t[1] > threshold + BORDER for t in left)
    n = len(ious)
    facts = {"matched": n, "ours": sum(map(len, ours.values())), "theirs": sum(map(len, theirs.values())), "missing": missing,
             "mean_iou": statistics.mean(ious) if ious else 0, "min_iou": min(ious, default=0), "attributes": n_attributes, "attributes_agree": agree}
    facts["same"] = n > 0 and n >= MIN_MATCHED * (n + missing) and agree >= MIN_AGREE * n_attributes
    return facts


def check(bench, name, case, precision):
    facts = compare(*bench.found(case, precision))
    text = f"{name}, {precision}: {facts['matched']} boxes the same ({facts['ours']} ours, {facts['theirs']} theirs, {facts['missing']} clearly " \
           f"missing on one side), IoU mean {facts['mean_iou']:.4f}, least {facts['min_iou']:.3f}"
    if facts["attributes"]:
        text += f", {facts['attributes_agree']} of {facts['attributes']} attributes the same"
    print(text, flush=True)
    if not facts["same"] or ("classifier" in case and not facts["attributes"]):
        raise RuntimeError("the two sides do not find the same")
    return facts


def median(results, key):
    return statistics.median(r[key] for r in results)


def measure(bench, case, n_streams, mode, precision, a):
    """{side and setting: [result of each round]}"""
    fps = CAMERA_FPS if mode == "paced" else 0
    settings = [("weir", more) for more in a.properties] + [("openvino", n) for n in a.requests]
    results = {s: [] for s in settings}
    for i in range(a.rounds):
        for k in range(len(settings)):
            side, setting = settings[(k + i) % len(settings)]
            results[side, setting].append(getattr(bench, side)(case, n_streams, fps, precision, setting))
    return results


def best_peer(results, mode):
    if mode == "paced":
        return min((s for s in results if s[0] == "openvino"), key=lambda s: median(results[s], "behind_p99_ms"))
    return max((s for s in results if s[0] == "openvino"), key=lambda s: median(results[s], "fps_total"))


def ratio(ours, theirs, key):
    """median of the rounds' """
    return statistics.median(w[key] / o[key] for w, o in zip(ours, theirs))


HEADINGS = ["case", "streams", "", "fps", "slowest", "CPU ms a frame", "p50 ms", "p99 ms", "peak RSS MB", "fps ratio", "CPU ratio"]


def print_rows(name, n_streams, mode, precision, results):
    """Weir, each ratio to the peer's best setting, and that."""
    kind = "behind_" if mode == "paced" else ""
    peer = best_peer(results, mode)
    for setting in [s for s in results if s[0] == "weir"] + [peer]:
        m = lambda key, r=results[setting]: median(r, key)
        ours = setting[0] == "weir"
        side = f"Weir {setting[1]}".strip() if ours else f"OpenVINO, {setting[1]} requests"
        cells = [f"{name}, {precision}", n_streams, side, f"{m('fps_total'):.1f}", f"{m('fps_slowest'):.1f}", f"{m('cpu_ms_frame'):.2f}",
                 f"{m(kind + 'p50_ms'):.1f}", f"{m(kind + 'p99_ms'):.1f}", f"{m('peak_rss_mb'):.0f}"]
        of = lambda key: f"{ratio(results[setting], results[peer], key):.2f}" if ours else ""
        print("| " + " | ".join(map(str, cells + [of("fps_total"), of("cpu_ms_frame")])) + " |", flush=True)


def print_head(mode):
    title = {"fast": "As fast as possible", "paced": f"Cameras of {CAMERA_FPS} frames a second; latency from the camera to the result"}[mode]
    print(f"\n{title}\n\n| " + " | ".join(HEADINGS) + " |\n|---|--:|---|" + "--:|" * (len(HEADINGS) - 3), flush=True)


def bench_all(bench, cases, a):
    rows = []
    for mode in a.modes.split(","):
        print_head(mode)
        for name, case in cases.items():
            for precision in case.get("precisions", a.precisions):
                for n_streams in map(int, a.streams.split(",")):
                    results = measure(bench, case, n_streams, mode, precision, a)
                    print_rows(name, n_streams, mode, precision, results)
                    runs = [{"side": side, "setting": setting, "rounds": rounds} for (side, setting), rounds in results.items()]
                    rows.append({"case": name, "streams": n_streams, "mode": mode, "precision": precision, "runs": runs})
    return rows


def bench_stages(bench, cases, a):
    """CPU ms a frame, the lowest of the rounds: stages are left out, the rest is a difference."""
    print("\n| CPU ms a frame | decoding | preprocessing and the way | network | whole | the peer's preprocessing and way | network | whole |")
    print("|---|" + "--:|" * 7)
    rows = []
    for name, case in cases.items():
        precision = case.get("precisions", a.precisions)[0]
        n_streams = int(a.streams.split(",")[-1])
        runs = {"decode": lambda: bench.run("elements_pipeline", case, n_streams, 0, []),
                "way": lambda: bench.run("elements_pipeline", case, n_streams, 0, ["--elements", bench.elements(case, precision, "device=SIM(0,0)")]),
                "weir": lambda: bench.weir(case, n_streams, 0, precision),
                "peer_way": lambda: bench.openvino(case, n_streams, 0, precision, 4, "--skip-inference", 1),
                "peer": lambda: bench.openvino(case, n_streams, 0, precision, 4)}
        least = {key: float("inf") for key in runs}
        for _ in range(a.rounds):
            for key, run in runs.items():
                least[key] = min(least[key], run()["cpu_ms_frame"])
        cells = [least["decode"], least["way"] - least["decode"], least["weir"] - least["way"], least["weir"],
                 least["peer_way"] - least["decode"], least["peer"] - least["peer_way"], least["peer"]]
        print(f"| {name}, {precision}, {n_streams} streams | " + " | ".join(f"{c:.2f}" for c in cells) + " |", flush=True)
        rows.append({"case": name, "precision": precision, "streams": n_streams, **least})
    return rows


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    p.add_argument("--shared", type=pathlib.Path, default=pathlib.Path(os.environ.get("WEIR_SHARED", ROOT / "../shared")))
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--cases", default=",".join(CASES))
    p.add_argument("--streams", default="1,4,8")
    p.add_argument("--modes", default="fast,paced")
    p.add_argument("--precisions", type=lambda text: text.split(","), default=native_precisions(), help="f32, default")
    p.add_argument("--requests", type=lambda text: text.split(","), default=["2", "4"], help="OpenVINO's numbers of requests to try")
    p.add_argument("--properties", action="append", default=[""], help="measure Weir with these properties of its elements as well: 'batch-size=1'")
    p.add_argument("--frames", type=int, default=480, help="in all, as fast as possible")
    p.add_argument("--seconds", type=float, default=5, help="of a paced run")
    p.add_argument("--prefix", type=shlex.split, default=[], help="in front of every measured command, as 'chrt -f 5' on a busy machine")
    p.add_argument("--stages", action="store_true")
    p.add_argument("--check", action="store_true")
    p.add_argument("--trust", action="store_true", help="measure without the check")
    p.add_argument("--json", type=pathlib.Path)
    a = p.parse_args()
    a.build = a.build.resolve()
    return a


def main():
    a = arguments()
    cases = {name: CASES[name] for name in a.cases.split(",")}
    facts = {"openvino": openvino.__version__, "cores": len(os.sched_getaffinity(0)), "date": time.strftime("%Y-%m-%d")}
    with tempfile.TemporaryDirectory() as folder:
        try:
            bench = Bench(a, pathlib.Path(folder))
            facts["same"] = {name: check(bench, name, case, case.get("precisions", a.precisions)[0]) for name, case in cases.items() if not a.trust}
        except Skip as e:
            print(f"skipped: {e}", file=sys.stderr)
            return 77
        if a.stages:
            facts["stages"] = bench_stages(bench, cases, a)
        elif not a.check:
            facts["rows"] = bench_all(bench, cases, a)
    if a.json:
        a.json.write_text(json.dumps(facts, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
