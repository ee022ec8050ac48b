"""A multi-model container: models come with their first request, and leave when memory runs short.

Source: SageMaker developer guide, "Multi-model endpoints", "How multi-model endpoints work". The
model servers of AWS's containers keep each model in a process of its own, as it is here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from localcloud.compute.outcome import JobFailure
from localcloud.compute.ports import ServiceError
from localcloud.compute.process import usage_of
from localcloud.serving.model_process import INVOCATION_SECONDS, Answer, ModelProcess

TARGET_MODEL = "X-Amzn-SageMaker-Target-Model"
_INSUFFICIENT_STORAGE = 507
"""What a container answers when a model does not fit (developer guide, "Build your own container
for multi-model endpoints")."""

Observe = Callable[[str, float], None]
"""Told the name and the value of a metric."""


class _Loaded:
    def __init__(self, process: ModelProcess) -> None:
        self.process = process
        self.in_flight = 0


class MultiModel:
    """The models that an instance has loaded, the one used last at the end.

    Args:
        make: Makes the process of a model, named as ``TargetModel`` names it.
        memory_mib: What all of them may hold together.
        observe: Told what the service measures: cache hits and the times of loading.
        on_loaded: Told how many models are loaded.
        cached: Whether models stay loaded (``ModelCacheSetting``).
    """

    def __init__(
        self,
        make: Callable[[str], ModelProcess],
        *,
        memory_mib: float,
        observe: Observe,
        on_loaded: Observe = lambda *_: None,
        cached: bool = True,
    ) -> None:
        self._make = make
        self._memory_mib = memory_mib
        self._observe = observe
        self._on_loaded = on_loaded
        self._cached = cached
        self._loaded: dict[str, _Loaded] = {}
        self._lock = threading.Condition()
        self._loading: set[str] = set()
        self._stopped = False

    def start(self) -> None:
        """Nothing is loaded before it is asked for."""

    @property
    def alive(self) -> bool:
        """A container outlives its models."""
        return not self._stopped

    @property
    def groups(self) -> list[int]:
        """The process groups of the models that are loaded."""
        return [group for each in list(self._loaded.values()) for group in each.process.groups]

    def invoke(
        self,
        body: bytes,
        content_type: str,
        accept: str = "*/*",
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float = INVOCATION_SECONDS,
    ) -> Answer:
        """Answer with the model that the headers name, which is loaded first if need be.

        A model that cannot be loaded is an answer with the status 500 and the end of its log, one
        that does not fit with 507.

        Raises:
            ServiceError: There is no such model.
        """
        name = (headers or {}).get(TARGET_MODEL, "")
        try:
            loaded = self._take(name)
        except JobFailure as failure:
            return Answer(500, {"Content-Type": "text/plain"}, str(failure).encode())
        if loaded is None:
            text = f"The model {name} needs more memory than the {self._memory_mib:.0f} MiB there."
            return Answer(_INSUFFICIENT_STORAGE, {"Content-Type": "text/plain"}, text.encode())
        try:
            return loaded.process.invoke(body, content_type, accept, headers, seconds=seconds)
        finally:
            with self._lock:
                loaded.in_flight -= 1
                self._lock.notify_all()
            if not self._cached or not loaded.process.alive:
                self._unload([name])

    def stop(self) -> None:
        """Unload everything."""
        self._stopped = True
        with self._lock:
            processes = [each.process for each in self._loaded.values()]
            self._loaded.clear()
        for process in processes:
            process.stop()

    def _take(self, name: str) -> _Loaded | None:
        """The model, ready and counted as busy; None when it does not fit."""
        began = time.perf_counter()
        with self._lock:
            hit = name in self._loaded
            self._lock.wait_for(lambda: name not in self._loading)
            loaded = self._loaded.pop(name, None)
            if loaded is not None:
                self._loaded[name] = loaded
                loaded.in_flight += 1
            else:
                self._loading.add(name)
        self._observe("ModelCacheHit", int(hit))
        if loaded is None:
            try:
                loaded = self._load(name)
            finally:
                with self._lock:
                    self._loading.discard(name)
                    self._lock.notify_all()
        if not hit:
            self._observe("ModelLoadingWaitTime", _microseconds(began))
        return loaded

    def _load(self, name: str) -> _Loaded | None:
        process = self._make(name)
        began = time.perf_counter()
        try:
            process.start()
        except ServiceError as error:
            raise JobFailure(error.message) from error
        self._observe("ModelLoadingTime", _microseconds(began))
        loaded = _Loaded(process)
        loaded.in_flight = 1
        with self._lock:
            self._loaded[name] = loaded
        self._make_room(name)
        self._on_loaded("LoadedModelCount", len(self._loaded))
        if _memory([loaded]) <= self._memory_mib:
            return loaded
        self._unload([name], busy=True)
        return None

    def _make_room(self, newest: str) -> None:
        """Unload the models that were used longest ago, while too much memory is held."""
        while True:
            with self._lock:
                models = list(self._loaded.values())
                idle = [n for n, each in self._loaded.items() if not each.in_flight and n != newest]
            if _memory(models) <= self._memory_mib or not idle:
                return
            self._unload(idle[:1])

    def _unload(self, names: list[str], *, busy: bool = False) -> None:
        for name in names:
            with self._lock:
                loaded = self._loaded.get(name)
                if loaded is None or (loaded.in_flight and not busy):
                    continue
                del self._loaded[name]
            began = time.perf_counter()
            loaded.process.stop()
            self._observe("ModelUnloadingTime", _microseconds(began))


def _memory(models: list[_Loaded]) -> float:
    """The MiB that models hold."""
    used = usage_of(group for each in models for group in each.process.groups)
    return sum(each.memory_mib for each in used.values())


def missing_model(bucket: str, key: str) -> ServiceError:
    """The refusal of a model that is not where the endpoint's models are."""
    return ServiceError(
        "ValidationError",
        f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is"
        " an object located at the URL and that the role passed to CreateModel has permissions to"
        " download the model.",
    )


def _microseconds(began: float) -> float:
    return (time.perf_counter() - began) * 1_000_000
