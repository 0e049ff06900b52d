# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other runtimes in a child process each, asked by lines on stdin as bench_network is."""
import json
import math
import os
import pathlib
import sys
import threading
import time

import peer_kit
from peer_kit import numpy


class OpenVino:
    """A compiled model on job's device (CPU), its inputs set once."""

    def __init__(self, job):
        import openvino
        self.before_mb = peer_kit.rss_mb()
        self.start = time.monotonic()
        model = openvino.Core().read_model(job["model"])
        self.batch = job["batch"]
        arrays = self.arrays(job, model)
        if self.batch > 1 or model.is_dynamic():
            model.reshape({port: openvino.PartialShape(a.shape) for port, a in zip(model.inputs, arrays)})
        self.compiled = openvino.Core().compile_model(model, job.get("device", "CPU"), job["config"])
        self.open_ms = peer_kit.since_ms(self.start)
        self.precision = self.compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.optimal = self.compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self.tensors = lambda: [openvino.Tensor(a.copy()) for a in arrays]
        self.queue = lambda n: openvino.AsyncInferQueue(self.compiled, n)
        self.request = self.compiled.create_infer_request()
        self.fill(self.request)
        self.run()

    def arrays(self, job, model):
        given = read_inputs(job)
        return [numpy.repeat(a, self.batch, 0).astype(port.get_element_type().to_dtype()) for a, port in zip(given, model.inputs)]

    def fill(self, request):
        for k, tensor in enumerate(self.tensors()):
            request.set_input_tensor(k, tensor)

    def run(self):
        self.request.start_async()
        self.request.wait()

    def outputs(self):
        return [t.data for t in self.request.output_tensors]

    def rate(self, seconds, n_requests):
        queue = self.queue(n_requests)
        for request in queue:
            self.fill(request)
        n, start = 0, time.monotonic()
        while time.monotonic() < start + seconds:
            queue.start_async()
            n += self.batch
        queue.wait_all()
        return n / (time.monotonic() - start)


class OnnxRuntime:
    """n sessions with some threads each; inputs and outputs are bound once."""

    def __init__(self, job):
        import onnxruntime
        self.before_mb = peer_kit.rss_mb()
        given = read_inputs(job)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = job["threads"], 1, 3
        make = lambda: onnxruntime.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])
        if job["is_dynamic"]:
            for i, a in zip(make().get_inputs(), given):
                for name, value in zip(i.shape, a.shape):
                    if isinstance(name, str):
                        options.add_free_dimension_override_by_name(name, value)
        self.start = time.monotonic()
        self.sessions = [make()]
        self.open_ms = peer_kit.since_ms(self.start)
        types = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16}
        self.feed = {i.name: a.astype(types[i.type]) for i, a in zip(self.sessions[0].get_inputs(), given)}
        self.bindings = [self.bind(self.sessions[0])]
        self.precision, self.optimal, self.batch = None, job["sessions"], 1
        self.run()
        self.first_ms = peer_kit.since_ms(self.start)
        for _ in range(job["sessions"] - 1):
            self.sessions.append(make())
            self.bindings.append(self.bind(self.sessions[-1]))

    def bind(self, session):
        binding = session.io_binding()
        for name, array in self.feed.items():
            binding.bind_cpu_input(name, array)
        for output in session.get_outputs():
            binding.bind_output(output.name)
        return binding

    def run(self):
        self.sessions[0].run_with_iobinding(self.bindings[0])

    def outputs(self):
        return self.bindings[0].copy_outputs_to_cpu()

    def rate(self, seconds, n_requests):
        counts = [0] * n_requests
        start = time.monotonic()

        def loop(k):
            while time.monotonic() < start + seconds:
                self.sessions[k].run_with_iobinding(self.bindings[k])
                counts[k] += 1

        threads = [threading.Thread(target=loop, args=(k,)) for k in range(n_requests)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return sum(counts) / (time.monotonic() - start)


def read_inputs(job):
    return [numpy.fromfile(i["file"], numpy.float32).reshape(i["shape"]) for i in job["inputs"]]


def latency(peer, seconds):
    times = []
    start = last = time.monotonic()
    while last < start + seconds:
        peer.run()
        now = time.monotonic()
        times.append((now - last) * 1e3)
        last = now
    return sorted(times)[len(times) // 2]


CPU_ENGINES = {"openvino": OpenVino, "onnxruntime": OnnxRuntime}


def serve(job, engines):
    """What bench_network does, for a peer; `kernels SECONDS` also, where it can keep data on a device."""
    peer = engines[job["engine"]](job)
    first_ms = getattr(peer, "first_ms", None) or peer_kit.since_ms(peer.start)
    facts = {"open_ms": peer.open_ms, "first_ms": first_ms, "rss_mb": peer_kit.rss_mb() - peer.before_mb, "optimal": peer.optimal,
             "precision": peer.precision}
    for k, output in enumerate(peer.outputs()):
        numpy.save(pathlib.Path(job["folder"]) / f"output_{k}.npy", numpy.asarray(output, numpy.float32))
    print(json.dumps(facts), flush=True)
    for line in sys.stdin:
        word, seconds, *more = line.split()
        if word == "rate":
            print(json.dumps({"items_per_s": peer.rate(float(seconds), math.prod(map(int, more)))}), flush=True)
        elif word == "kernels":
            rate = getattr(peer, "kernel_rate", None)
            print(json.dumps({"items_per_s": rate(float(seconds)) if rate else None}), flush=True)
        else:
            print(json.dumps({"p50_ms": latency(peer, float(seconds))}), flush=True)
    os._exit(0)  # tearing down is not measured
