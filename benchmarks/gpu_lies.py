"""Code that Python runs at the start of a worker, so that an accelerator's memory can run out in the middle.

`HONEST` only has ONNX Runtime give the card's memory back after each photo: once another process has taken it, the next
photo really finds none. `STAND_IN` makes the CPU pass for CUDA where there is no card: "full" is then a file.
"""

from pathlib import Path

_LATE = """
import sys

if "bgzero_daemon.worker.main" in sys.orig_argv:
    from importlib.machinery import PathFinder

    # Not at once: onnxruntime starts threads, and the sandbox closes around a process that has one.
    class Late:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name != "onnxruntime":
                return None
            spec = PathFinder.find_spec(name, path)
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                change(module)

            spec.loader.exec_module = exec_module
            return spec

    sys.meta_path.insert(0, Late)
"""

HONEST = (
    _LATE
    + """
GPU = "CUDAExecutionProvider"
SAME = {"arena_extend_strategy": "kSameAsRequested"}

def change(ort):
    class Session(ort.InferenceSession):
        def __init__(self, *arguments, providers, **options):
            self.after = None
            chosen = []
            for one in providers:
                name, settings = one if isinstance(one, tuple) else (one, {})
                chosen.append((name, {**settings, **SAME}) if name == GPU else one)
                if name == GPU:
                    self.after = ort.RunOptions()
                    self.after.add_run_config_entry("memory.enable_memory_arena_shrinkage", "gpu:0")
            super().__init__(*arguments, providers=chosen, **options)

        def run(self, names, feed):
            return super().run(names, feed, self.after)

    ort.InferenceSession = Session
"""
)

STAND_IN = (
    _LATE
    + """
import os
import time

GPU, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"

def change(ort):
    ort.get_available_providers = lambda: [GPU, CPU]

    class Session(ort.InferenceSession):
        def __init__(self, *arguments, providers, **options):
            first = providers[0]
            self.first, self.runs = first[0] if isinstance(first, tuple) else first, 0
            self.look()
            super().__init__(*arguments, providers=[CPU], **options)

        def look(self):
            if self.first == GPU and os.path.exists(FULL):
                raise RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer")

        def get_providers(self):
            return [self.first, CPU] if self.first == GPU else [CPU]

        def get_provider_graph_assignment_info(self):
            return []  # it would tell

        def run(self, *arguments):
            self.look()
            self.runs += 1
            if self.first == CPU and self.runs <= 4:  # while it is compared with
                time.sleep(0.5)
            return super().run(*arguments)

    ort.InferenceSession = Session
"""
)


def leave(folder: Path, code: str, full: Path) -> dict[str, str]:
    """Put code where Python looks for it; return the environment that makes it look. `full` is the stand-in's file."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"FULL = {str(full)!r}\n{code}")
    return {"PYTHONPATH": str(folder)}
