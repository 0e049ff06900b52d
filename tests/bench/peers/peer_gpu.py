# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runtimes that use a GPU, each in a child process: ONNX Runtime by provider, and cuDNN's convolutions through PyTorch."""
import pathlib
import threading
import time

import peer_kit
import peer_runtimes
from peer_kit import numpy

PROVIDERS = {"onnxruntime-cuda": "CUDAExecutionProvider", "onnxruntime-tensorrt": "TensorrtExecutionProvider",
             "onnxruntime-cpu": "CPUExecutionProvider"}
MODEL = "model.onnx"


def prepare(job):
    """the job's model at its batch and precision: a file of its own where it must change"""
    if job["batch"] == 1 and job["precision"] != "f16" and not job["is_dynamic"]:
        return job["model"]
    import onnx
    model = onnx.load(job["model"])
    constants = {c.name for c in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in constants]
    for value, facts in zip(inputs, job["inputs"]):
        for dim, size in zip(value.type.tensor_type.shape.dim, facts["shape"]):
            dim.dim_value = size
        value.type.tensor_type.shape.dim[0].dim_value = job["batch"]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    del model.graph.value_info[:]
    if job["precision"] == "f16":
        from onnxruntime.transformers.float16 import convert_float_to_float16
        model = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True)
    path = pathlib.Path(job["folder"]) / MODEL
    onnx.save(model, path)
    return str(path)


class OnnxProvider:
    """One session on a provider. With transfers: inputs from and outputs to the host's memory; without: both stay on the device."""

    def __init__(self, job):
        import onnxruntime
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls()
        provider = PROVIDERS[job["engine"]]
        if provider not in onnxruntime.get_available_providers():
            raise RuntimeError(f"this ONNX Runtime has no {provider}")
        self.before_mb, self.batch, self.optimal, self.precision = peer_kit.rss_mb(), job["batch"], 1, job["precision"]
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        settings = {"TensorrtExecutionProvider": {"trt_fp16_enable": job["precision"] == "f16"},
                    "CUDAExecutionProvider": {"cudnn_conv_algo_search": "EXHAUSTIVE", "use_tf32": "0"}}
        self.start = time.monotonic()
        self.session = onnxruntime.InferenceSession(prepare(job), options, providers=[(provider, settings.get(provider, {}))])
        if provider not in self.session.get_providers():
            raise RuntimeError(f"{provider} could not be loaded")
        self.open_ms = peer_kit.since_ms(self.start)
        types = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16}
        self.feed = {i.name: numpy.repeat(a, self.batch, 0).astype(types[i.type])
                     for i, a in zip(self.session.get_inputs(), peer_runtimes.read_inputs(job))}
        self.device = "cpu" if job["engine"] == "onnxruntime-cpu" else "cuda"
        self.value_of = lambda array: onnxruntime.OrtValue.ortvalue_from_numpy(array, self.device, 0)
        self.binding = self.bind(False)
        self.run()

    def bind(self, stays):
        """stays: on the device"""
        binding = self.session.io_binding()
        for name, array in self.feed.items():
            if stays:
                binding.bind_ortvalue_input(name, self.value_of(array))
            else:
                binding.bind_cpu_input(name, array)
        for output in self.session.get_outputs():
            binding.bind_output(output.name, self.device if stays else "cpu")
        return binding

    def run(self):
        self.session.run_with_iobinding(self.binding)

    def outputs(self):
        return self.binding.copy_outputs_to_cpu()

    def loop(self, bindings, seconds):
        """a thread for each binding"""
        counts, start = [0] * len(bindings), time.monotonic()

        def run(k):
            while time.monotonic() < start + seconds:
                self.session.run_with_iobinding(bindings[k])  # waits for the device
                counts[k] += self.batch

        threads = [threading.Thread(target=run, args=(k,)) for k in range(len(bindings))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return sum(counts) / (time.monotonic() - start)

    def rate(self, seconds, n_requests):
        return self.loop([self.binding, *(self.bind(False) for _ in range(n_requests - 1))], seconds)

    def kernel_rate(self, seconds):
        binding = self.bind(True)
        self.session.run_with_iobinding(binding)
        return self.loop([binding], seconds)


class TorchConvolutions:
    """The convolutions of a network alone, one behind the other, by cuDNN where PyTorch has a GPU: its fastest algorithm for each, channels-last."""

    def __init__(self, job):
        import torch
        self.before_mb, self.start = peer_kit.rss_mb(), time.monotonic()
        self.torch, self.batch, self.optimal, self.precision = torch, job["batch"], 1, job["precision"]
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = True, False
        dtype = torch.float16 if job["precision"] == "f16" and self.device == "cuda" else torch.float32
        self.layers = [self.layer(c, dtype) for c in job["convolutions"]]
        self.run()
        self.open_ms = peer_kit.since_ms(self.start)

    def layer(self, c, dtype):
        torch = self.torch
        # random: products of zeros take less power
        x = torch.randn(c["src"], dtype=torch.float32).to(self.device, dtype, memory_format=torch.channels_last)
        w = torch.randn([c["dst"][1], c["src"][1] // c["groups"], *c["kernel"]]).to(self.device, dtype, memory_format=torch.channels_last)
        b = torch.randn([c["dst"][1]]).to(self.device, dtype)
        return lambda: torch.nn.functional.conv2d(x, w, b, c["stride"], c["pad"], 1, c["groups"])

    def wait(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def run(self):
        with self.torch.no_grad():
            for layer in self.layers:
                layer()
        self.wait()

    def outputs(self):
        return []

    def rate(self, seconds, n_requests):
        return None

    def kernel_rate(self, seconds):
        """Without the host's part where the device has graphs: all launches of a run as one."""
        graph = None
        if self.device == "cuda":
            graph = self.torch.cuda.CUDAGraph()
            with self.torch.no_grad(), self.torch.cuda.graph(graph):
                for layer in self.layers:
                    layer()
        n, start = 0, time.monotonic()
        while time.monotonic() < start + seconds:
            graph.replay() if graph else self.run()
            self.wait()
            n += self.batch
        return n / (time.monotonic() - start)


ENGINES = {**{name: OnnxProvider for name in PROVIDERS}, "openvino-gpu": peer_runtimes.OpenVino, "cudnn-convolutions": TorchConvolutions}
