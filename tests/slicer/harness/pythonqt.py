"""PySide6 made to behave as the PythonQt of 3D Slicer, and to refuse what PythonQt refuses.

The rules, each with a test in `tests/slicer/test_harness_pythonqt.py`:

1. A property of Qt reads and writes as an attribute; calling it (`button.text()`) is a TypeError.
2. The getter of a boolean property (`isEnabled`) is refused: `enabled` always works.
3. Assigning to a name that is no property of a C++ class is an AttributeError, as is reading one.
4. `connect('signal(type)', function)` and `widget.signal.connect(function)`; an unknown signal
   is a ValueError. A function gets as many arguments as it takes.
5. Keyword arguments to methods of C++ classes are a TypeError.
6. An exception inside a slot is a fault that fails the test.
7. A class derived in Python keeps its own attributes and overrides.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from PySide6 import QtCore, QtGui, QtSvg, QtUiTools, QtWidgets

from harness.faults import Faults

_MODULES = (QtCore, QtGui, QtWidgets, QtSvg, QtUiTools)
_KINDS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "double": (int, float),
    "bool": (bool, int),
    "QString": (str,),
}
# Takes text; the types of PySide6 ask for bytes.
_normalized: Any = QtCore.QMetaObject.normalizedSignature
_raw_get = QtCore.QObject.__getattribute__
_connections: dict[tuple[int, str, Any], Callable[..., None]] = {}
_faults: list[Faults] = []
_loading: list[bool] = []
_reading: set[tuple[int, str]] = set()
_installed: list[types.ModuleType] = []


def raw(instance: QtCore.QObject, name: str) -> Any:
    """An attribute as PySide6 has it; for the harness itself."""
    return _raw_get(instance, name)


def set_faults(faults: Faults | None) -> None:
    """Choose where exceptions of slots are collected."""
    _faults[:] = [faults] if faults is not None else []


@contextmanager
def loading() -> Iterator[None]:
    """While PySide6's loader of .ui files is at work."""
    _loading.append(True)
    try:
        yield
    finally:
        _loading.pop()


def _is_foreign(cls: type) -> bool:
    """Whether a class was derived in Python, by the code under test or by the harness."""
    return not cls.__module__.startswith(("PySide6", "Shiboken"))


def _defined_in_python(instance: Any, name: str) -> bool:
    for cls in type(instance).__mro__:
        if not _is_foreign(cls):
            return False
        if name in vars(cls):
            return True
    return False


def _meta(instance: Any) -> QtCore.QMetaObject:
    meta: QtCore.QMetaObject = _raw_get(instance, "metaObject")()
    return meta


def has_property(instance: Any, name: str) -> bool:
    """Whether Qt knows the property."""
    return bool(_meta(instance).indexOfProperty(name) >= 0)


def find_signal(instance: Any, signature: str) -> str | None:
    """The signature that PySide6 gives the signal, or None."""
    aliases = getattr(type(instance), "SIGNALS", {})
    wanted = bytes(_normalized(signature).data()).decode()
    wanted = aliases.get(wanted, wanted)
    return wanted if _meta(instance).indexOfSignal(wanted) >= 0 else None


def _accepted_arguments(function: Callable[..., Any]) -> int | None:
    """How many positional arguments a slot takes; None for any number."""
    count = 0
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            return None
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            count += 1
    return count


def guarded(function: Callable[..., Any]) -> Callable[..., None]:
    """A slot as PythonQt calls it: surplus arguments dropped, exceptions kept from Qt."""
    accepted = _accepted_arguments(function)

    def slot(*arguments: Any) -> None:
        try:
            function(*(arguments if accepted is None else arguments[:accepted]))
        except Exception as error:
            if not _faults:
                raise
            _faults[0].record_exception(error)

    return slot


def _connect(sender: Any, signature: str, function: Callable[..., Any]) -> bool:
    if not isinstance(signature, str):
        raise TypeError(f"connect() takes the signal's signature as text, not {signature!r}.")
    if not callable(function):
        raise TypeError(f"connect('{signature}') needs a function, not {function!r}.")
    known = find_signal(sender, signature)
    if known is None:
        raise ValueError(f"{type(sender).__name__} has no signal '{signature}'.")
    slot = guarded(function)
    _connections[(id(sender), known, function)] = slot
    return bool(QtCore.QObject.connect(sender, QtCore.SIGNAL(known), slot))


def _disconnect(sender: Any, signature: str, function: Callable[..., Any]) -> bool:
    known = find_signal(sender, signature)
    if known is None:
        raise ValueError(f"{type(sender).__name__} has no signal '{signature}'.")
    slot = _connections.pop((id(sender), known, function), None)
    if slot is None:
        return False
    return bool(QtCore.QObject.disconnect(sender, QtCore.SIGNAL(known), slot))


class SignalOfPythonQt:
    """`widget.clicked`: to connect to and to call, with no `emit`."""

    def __init__(self, sender: Any, name: str) -> None:
        self._sender = sender
        self._name = name

    def _signature(self) -> str:
        meta = _meta(self._sender)
        for index in range(meta.methodCount()):
            method = meta.method(index)
            is_signal = method.methodType() == QtCore.QMetaMethod.MethodType.Signal
            if is_signal and bytes(method.name().data()).decode() == self._name:
                return bytes(method.methodSignature().data()).decode()
        raise ValueError(f"{type(self._sender).__name__} has no signal '{self._name}'.")

    def connect(self, function: Callable[..., Any]) -> bool:
        return _connect(self._sender, self._signature(), function)

    def disconnect(self, function: Callable[..., Any]) -> bool:
        return _disconnect(self._sender, self._signature(), function)

    def __call__(self, *arguments: Any) -> None:
        kinds = self._signature().removeprefix(f"{self._name}(").removesuffix(")")
        signal = _raw_get(self._sender, self._name)
        (signal[kinds] if arguments else signal).emit(*arguments)


def _getter_of(instance: Any, name: str) -> str | None:
    if not (name.startswith("is") and name[2:3].isupper()):
        return None
    property_name = name[2].lower() + name[3:]
    return property_name if has_property(instance, property_name) else None


def _read_property(instance: Any, name: str) -> Any:
    """Read a property; Qt may ask back for an override of its virtual getter (`sizeHint`)."""
    key = (id(instance), name)
    if key in _reading:
        return _raw_get(instance, name)
    _reading.add(key)
    try:
        return _raw_get(instance, "property")(name)
    finally:
        _reading.discard(key)


def _get(self: Any, name: str) -> Any:
    if name.startswith("__"):
        return _raw_get(self, name)
    if _is_foreign(type(self)) and name in _raw_get(self, "__dict__"):
        return _raw_get(self, "__dict__")[name]
    if _defined_in_python(self, name):
        value = _raw_get(self, name)
        return SignalOfPythonQt(self, name) if isinstance(value, QtCore.SignalInstance) else value
    if name == "name":
        return _raw_get(self, "objectName")()
    if name == "connect":
        return lambda signature, function: _connect(self, signature, function)
    if name == "disconnect":
        return lambda signature, function: _disconnect(self, signature, function)
    if name == "className":
        return lambda: getattr(type(self), "CLASS_NAME", _meta(self).className())
    if has_property(self, name):
        return _read_property(self, name)
    if _getter_of(self, name):
        raise AttributeError(f"{name}() is not sure to exist: read '{_getter_of(self, name)}'.")
    value = _raw_get(self, name)
    if isinstance(value, QtCore.SignalInstance):
        return SignalOfPythonQt(self, name)
    if callable(value) and not inspect.isclass(value) and not inspect.ismethod(value):
        return _without_keywords(value, name)
    return value


def _without_keywords(method: Callable[..., Any], name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **keywords: Any) -> Any:
        if keywords:
            raise TypeError(f"{name}() takes no keyword arguments in PythonQt: {list(keywords)}")
        return method(*arguments)

    return call


def _set(self: Any, name: str, value: Any) -> None:
    if has_property(self, name):
        meta_property = _meta(self).property(_meta(self).indexOfProperty(name))
        if not meta_property.isWritable():
            raise AttributeError(f"the property '{name}' of {type(self).__name__} is read-only.")
        kinds = _KINDS.get(str(meta_property.typeName()))
        fits = kinds is None or isinstance(value, kinds)
        if not fits or not _raw_get(self, "setProperty")(name, value):
            raise TypeError(f"'{name}' of {type(self).__name__} does not take {value!r}.")
        return
    if isinstance(value, QtCore.SignalInstance):
        return  # PySide6 remembers its own signals
    if _loading and not name.startswith("_"):
        return  # PySide6's loader sets each child as an attribute of the form
    poses_as_native = getattr(type(self), "STAND_IN", False) and not name.startswith("_")
    if not _is_foreign(type(self)) or poses_as_native:
        raise AttributeError(
            f"Attribute '{name}' does not exist and creation of new attributes on C++ objects "
            f"is not allowed ({type(self).__name__})."
        )
    descriptor = getattr(type(self), name, None)
    if descriptor is not None and hasattr(descriptor, "__set__"):
        descriptor.__set__(self, value)
    else:
        _raw_get(self, "__dict__")[name] = value


def install() -> types.ModuleType:
    """Apply the rules to every class of PySide6 and return the module to serve as `qt`."""
    if _installed:
        return _installed[0]
    qt = types.ModuleType("qt")
    classes: list[Any] = []
    for module in _MODULES:
        for name in dir(module):
            value = getattr(module, name)
            if name.startswith("_"):
                continue
            if isinstance(value, type) and issubclass(value, QtCore.QObject):
                classes.append(value)
            if name in ("Signal", "Slot", "Property"):
                continue  # they are PySide's own
            setattr(qt, name, value)
    QtCore.QObject.__getattribute__ = _get  # type: ignore[method-assign]
    for cls in classes:  # each class of PySide6 has its own
        cls.__setattr__ = _set
    _installed.append(qt)
    return qt
