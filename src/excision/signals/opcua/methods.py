"""What the methods of the companion specification do with a station."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import ua

from excision.signals.opcua.companion import Field
from excision.signals.opcua.results import CONFIGURATION, Job, Results
from excision.signals.opcua.signatures import METHODS
from excision.signals.opcua.space import Method, Space
from excision.signals.opcua.states import VisionStates, WrongStateError
from excision.signals.signal import Commands, SignalError

_log = logging.getLogger(__name__)

DONE, UNKNOWN, REFUSED = 0, -1, -2
"""Values of the argument Error; the specification leaves those below 0 to the application."""

_LONGEST = 200  # characters of an identity
_PREPARED, _UNPREPARED, _EITHER = 1, 0, 2

Answer = tuple[Any, ...]


class Methods:
    """The methods of one station.

    Args:
        name: of the signal.
        commands: of the station.
        states: of the vision system.
        recipes: names of models to be listed.
        moved: called when the states may have changed.
    """

    def __init__(
        self,
        name: str,
        commands: Commands,
        states: VisionStates,
        recipes: tuple[str, ...],
        moved: Callable[[], Awaitable[None]],
    ) -> None:
        self._name, self._commands, self._states = name, commands, states
        self._recipes, self._moved = recipes, moved
        self.space: Space | None = None
        self.results: Results | None = None
        self.recipe = ""
        self.job: int | None = None
        self.started = datetime.now(UTC)

    def table(self) -> Mapping[str, Method]:
        """Give what each method does, by its name, as the server calls it."""
        given = [name for methods in METHODS.values() for name in methods]
        return {name: self._guarded(getattr(self, _snake(name)), _inputs(name)) for name in given}

    async def halt(self, cause: int, description: str) -> Answer:
        """Take no more jobs of clients."""
        _log.warning("%s: halted by a client: %s (%s)", self._name, description, cause)
        self._states.halt()
        return (DONE,)

    async def reset(self, cause: int, description: str) -> Answer:
        """Acknowledge faults, and become preoperational."""
        _log.warning("%s: reset by a client: %s (%s)", self._name, description, cause)
        self._states.reset()
        self._commands.acknowledge()
        return (DONE,)

    async def select_mode_automatic(self) -> Answer:
        """Become operational."""
        self._states.select_automatic()
        return (DONE,)

    async def start_single_job(self, meas: Any, part: Any, recipe: Any, product: Any, _: Any) -> Answer:
        """Trigger an inspection; the job has the number of the trigger."""
        space, results = self._built()
        self._states.check_start()
        serial, model = _id(part) or None, _id(recipe) or None
        number = self._commands.trigger(self._name, serial=serial, recipe=model)
        results.remember(number, Job(_id(meas), _id(product)))
        self.job = number
        self._states.started()
        job = space.types.make("JobIdDataType", Id=str(number))
        await self._moved()
        await space.tell("JobStartedEventType", "A job has started", 100, {"JobId": job})
        return job, DONE

    async def start_continuous(self, *_: Any) -> Answer:
        """Refuse: triggers of other signals are served all the time, and need no start."""
        raise ua.UaStatusCodeError(ua.StatusCodes.BadNotSupported)

    async def stop(self, *_: Any) -> Answer:
        """Wait no longer for the job; its result still comes."""
        self._states.stop("Stop")
        return (DONE,)

    async def abort(self, *_: Any) -> Answer:
        """Wait no longer for the job; its result still comes."""
        self._states.stop("Abort")
        return (DONE,)

    async def get_result_by_id(self, wanted: Any, _: int) -> Answer:
        """Give one of the last results."""
        space, results = self._built()
        result = results.get(_id(wanted))
        if result is None:
            return ua.UInt32(0), space.types.make("ResultDataType"), UNKNOWN
        return ua.UInt32(0), result, DONE

    async def get_result_components_by_id(self, wanted: Any, _: int) -> Answer:
        """Give the fields of one of the last results, each by itself."""
        space, results = self._built()
        found = results.get(_id(wanted))
        result = space.types.make("ResultDataType") if found is None else found
        outputs = METHODS["ResultManagementType"]["GetResultComponentsById"][1]
        values = {
            "HasTransferableDataOnFile": False,
            "ResultHandle": ua.UInt32(0),
            "Error": UNKNOWN if found is None else DONE,
        }
        return tuple(_value(space, field, result, values) for field in outputs)

    async def get_result_list_filtered(self, state: int, *given: Any) -> Answer:
        """Give the last results with some identities, the latest first."""
        _space, results = self._built()
        inputs = METHODS["ResultManagementType"]["GetResultListFiltered"][0]
        names = [field.name for field in inputs[1:-3]]
        wanted = {name: _id(value) for name, value in zip(names, given, strict=False)}
        most, first = int(given[-3]), int(given[-2])
        whole, found = results.find(int(state), wanted, most, first)
        return whole, ua.UInt32(len(found)), ua.UInt32(0), found, DONE

    async def release_result_handle(self, _: int) -> Answer:
        """Do nothing: results are not locked."""
        return (DONE,)

    async def get_recipe_list_filtered(self, external: Any, _: Any, prepared: int, *page: int) -> Answer:
        """List the models; the one that is set is prepared."""
        space, _results = self._built()
        names = sorted({*self._recipes, *([self.recipe] if self.recipe else [])})
        wanted = _id(external)
        shown = [
            name
            for name in names
            if wanted in {"", name} and int(prepared) in {_EITHER, int(name == self.recipe)}
        ]
        most, first = int(page[0]), int(page[1])
        part = shown[first : first + most if most else None]
        made = [space.types.make("RecipeIdInternalDataType", Id=name) for name in part]
        return first + len(part) >= len(shown), ua.UInt32(len(part)), ua.UInt32(0), made, DONE

    async def prepare_recipe(self, external: Any, internal: Any) -> Answer:
        """Set the model of the triggers from here on."""
        space, _ = self._built()
        name = _id(internal) or _id(external)
        make = space.types.make
        try:
            self._commands.set_recipe(name)
        except SignalError as error:
            _log.warning("%s: %s", self._name, error)
            return make("RecipeIdInternalDataType", Id=name), False, UNKNOWN
        self.recipe = name
        made = make("RecipeIdInternalDataType", Id=name)
        await space.tell("RecipePreparedEventType", f"{name} is prepared", 100, {"InternalId": made})
        return made, True, DONE

    async def unprepare_recipe(self, external: Any, internal: Any) -> Answer:
        """Refuse: one model is always set."""
        space, _ = self._built()
        name = _id(internal) or _id(external)
        return space.types.make("RecipeIdInternalDataType", Id=name), REFUSED

    async def get_configuration_list(self, most: int, first: int, _: int) -> Answer:
        """Give the one configuration, which is the version of the program."""
        shown = [self.configuration()] if int(first) == 0 else []
        del most
        return True, ua.UInt32(len(shown)), ua.UInt32(0), shown, DONE

    async def get_configuration_by_id(self, wanted: Any, _: int) -> Answer:
        """Give the one configuration."""
        error = DONE if _id(wanted) == CONFIGURATION else UNKNOWN
        return ua.UInt32(0), self.configuration(), error

    async def activate_configuration(self, wanted: Any) -> Answer:
        """Say that the one configuration is active, and refuse others."""
        return (DONE if _id(wanted) == CONFIGURATION else UNKNOWN,)

    def configuration(self) -> Any:
        """Give the one configuration."""
        space, _ = self._built()
        identity = space.types.make("ConfigurationIdDataType", Id=CONFIGURATION)
        return space.types.make("ConfigurationDataType", InternalId=identity, LastModified=self.started)

    def _built(self) -> tuple[Space, Results]:
        if self.space is None or self.results is None:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadServerNotConnected)
        return self.space, self.results

    def _guarded(self, method: Callable[..., Awaitable[Answer]], inputs: tuple[Field, ...]) -> Method:
        async def call(_: ua.NodeId, *given: ua.Variant) -> Any:
            values = [variant.Value for variant in given]
            try:
                self._check(values, inputs)
                answer = await method(*values)
                await self._moved()
            except WrongStateError:
                return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadInvalidState))
            except SignalError as error:
                _log.warning("%s: %s", self._name, error)
                return ua.StatusCode(ua.UInt32(ua.StatusCodes.BadResourceUnavailable))
            except ua.UaStatusCodeError as error:
                return ua.StatusCode(ua.UInt32(error.code))
            return [_variant(one) for one in answer]

        return call

    def _check(self, values: list[Any], inputs: tuple[Field, ...]) -> None:
        space, _ = self._built()
        if len(values) != len(inputs):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadArgumentsMissing)
        for value, field in zip(values, inputs, strict=True):
            name = field.kind
            right = True
            if (isinstance(name, str) and name.endswith("IdDataType")) or name in _BINARY:
                right = value is None or space.types.is_one(value, str(name))
                right = right and len(_id(value)) <= _LONGEST
            elif not field.array and name in _NUMBERS:
                right = isinstance(value, int)
            if not right:
                raise ua.UaStatusCodeError(ua.StatusCodes.BadTypeMismatch)


_BINARY = {"RecipeIdExternalDataType", "RecipeIdInternalDataType"}
_NUMBERS = {6, 7, "ResultStateDataType", "TriStateBooleanDataType", "Handle"}


def _id(value: Any) -> str:
    return "" if value is None else str(value.Id or "")


def _variant(value: Any) -> ua.Variant:
    if isinstance(value, bool):
        return ua.Variant(value, ua.VariantType.Boolean)
    if isinstance(value, list):
        kind = ua.VariantType.Variant if value and isinstance(value[0], ua.Variant) else None
        return ua.Variant(value, kind or ua.VariantType.ExtensionObject, is_array=True)
    if isinstance(value, datetime):
        return ua.Variant(value, ua.VariantType.DateTime)
    if isinstance(value, ua.UInt32):
        return ua.Variant(value, ua.VariantType.UInt32)
    if isinstance(value, int):
        return ua.Variant(value, ua.VariantType.Int32)
    return ua.Variant(value, ua.VariantType.ExtensionObject)


def _value(space: Space, field: Field, result: Any, values: Mapping[str, Any]) -> Any:
    if field.name in values:
        return values[field.name]
    value = getattr(result, field.name)
    if value is None and not field.array and isinstance(field.kind, str) and field.kind.endswith("DataType"):
        return space.types.make(field.kind)
    if value is None:
        return [] if field.array else False
    return value


def _inputs(name: str) -> tuple[Field, ...]:
    return next(methods[name][0] for methods in METHODS.values() if name in methods)


def _snake(name: str) -> str:
    return "".join(f"_{one.lower()}" if one.isupper() else one for one in name).lstrip("_")
