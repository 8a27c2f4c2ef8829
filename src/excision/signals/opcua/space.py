"""The nodes of one station in the address space of its server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from asyncua import Node, Server, ua

from excision.signals.opcua.companion import (
    EVENT_TYPES,
    OBJECT_TYPES,
    RESULT_TYPE,
    STATES,
    TRANSITIONS,
)
from excision.signals.opcua.signatures import METHODS
from excision.signals.opcua.states import AUTOMATIC, MACHINE
from excision.signals.opcua.types import Types

NAMESPACE = "urn:excision:station"
SYSTEM = "VisionSystem"
"""The object of the vision system, directly below Objects."""

Method = Callable[..., Any]

VALUES: Mapping[str, ua.VariantType] = {
    "Verdict": ua.VariantType.String,
    "VerdictCode": ua.VariantType.UInt16,
    "Good": ua.VariantType.Boolean,
    "Reason": ua.VariantType.String,
    "Score": ua.VariantType.Double,
    "Threshold": ua.VariantType.Double,
    "PValue": ua.VariantType.Double,
    "ResultNumber": ua.VariantType.UInt32,
    "TriggerNumber": ua.VariantType.UInt32,
    "Serial": ua.VariantType.String,
    "Lot": ua.VariantType.String,
    "Recipe": ua.VariantType.String,
    "View": ua.VariantType.String,
    "Time": ua.VariantType.DateTime,
    "DeadlineMissed": ua.VariantType.Boolean,
    "ReportNumber": ua.VariantType.UInt32,
}
"""Plain variables of the last report, for clients that read no structures."""

STATE_VALUES: Mapping[str, ua.VariantType] = {
    "Ready": ua.VariantType.Boolean,
    "Busy": ua.VariantType.Boolean,
    "Fault": ua.VariantType.Boolean,
    "FaultText": ua.VariantType.String,
    "CurrentRecipe": ua.VariantType.String,
    "CurrentLot": ua.VariantType.String,
    "Heartbeat": ua.VariantType.UInt32,
}
"""Plain variables of the station's state."""

_EMPTY: Mapping[ua.VariantType, Any] = {
    ua.VariantType.String: "",
    ua.VariantType.Boolean: False,
    ua.VariantType.Double: 0.0,
    ua.VariantType.DateTime: datetime(1970, 1, 1, tzinfo=UTC),
}
_PARTS = {
    "ResultManagement": "ResultManagementType",
    "RecipeManagement": "RecipeManagementType",
    "ConfigurationManagement": "ConfigurationManagementType",
    "VisionStateMachine": MACHINE,
}


class Space:
    """The nodes of a station; they are written here and nowhere else.

    Args:
        server: that holds them.
        types: of the companion specification.
        space: index of the namespace of the station.
    """

    def __init__(self, server: Server, types: Types, space: int) -> None:
        self._server, self.types, self._space = server, types, space
        self._values: dict[str, tuple[ua.NodeId, ua.VariantType]] = {}
        self._events: dict[str, Any] = {}
        self._system: Node | None = None

    @classmethod
    async def build(cls, server: Server, methods: Mapping[str, Method], recipes: tuple[str, ...]) -> Space:
        """Add the station to a server.

        Args:
            server: initialised, not started.
            methods: what each method of the specification does, by its name.
            recipes: names of models to be listed.
        """
        types = await Types.build(server)
        space = cls(server, types, await server.register_namespace(NAMESPACE))
        system = space._system = await space._object(server.nodes.objects, SYSTEM, "VisionSystemType")
        for name, kind in _PARTS.items():
            part = await space._object(system, f"{SYSTEM}.{name}", kind)
            await space._methods(part, f"{SYSTEM}.{name}", kind, methods)
        machine = f"{SYSTEM}.VisionStateMachine"
        automatic = await space._object(
            space.node(machine), f"{machine}.AutomaticModeStateMachine", AUTOMATIC
        )
        await space._methods(automatic, f"{machine}.AutomaticModeStateMachine", AUTOMATIC, methods)
        await space._latest()
        await space._recipes(recipes)
        await space._plain(system)
        await space._make_events(system)
        return space

    def node(self, name: str) -> Node:
        """Give a node of the station by its name."""
        return self._server.get_node(self._id(name))

    async def write(self, values: Mapping[str, Any]) -> None:
        """Write plain variables."""
        now = datetime.now(UTC)
        for name, value in values.items():
            node, kind = self._values[name]
            variant = ua.Variant(value, kind)
            await self._server.write_attribute_value(node, ua.DataValue(variant, SourceTimestamp=now))

    async def show_result(self, result: Any) -> None:
        """Write the latest result, and tell those who subscribed to it."""
        variant = ua.Variant(result, ua.VariantType.ExtensionObject)
        stamp = ua.DataValue(variant, SourceTimestamp=datetime.now(UTC))
        await self._server.write_attribute_value(self._id(_LATEST), stamp)
        fields = {field.name: getattr(result, field.name) for field in EVENT_TYPES["ResultReadyEventType"][2]}
        await self.tell("ResultReadyEventType", "A result is ready", 100, fields)

    async def tell(self, name: str, message: str, severity: int, fields: Mapping[str, Any]) -> None:
        """Send an event to those who subscribed to the vision system."""
        generator = self._events[name]
        for field, value in fields.items():
            setattr(generator.event, field, value)
        generator.event.Severity = ua.UInt16(severity)
        await generator.trigger(message=message)

    async def move(self, machine: str, transition: str, state: str) -> None:
        """Show a transition of a state machine, and the state after it."""
        name = f"{SYSTEM}.VisionStateMachine" + ("" if machine == MACHINE else ".AutomaticModeStateMachine")
        number = TRANSITIONS[machine].get(transition)
        await self._show(f"{name}.CurrentState", state, STATES[machine][state])
        if number is not None:
            await self._show(f"{name}.LastTransition", transition, number)
        kind = "StateChangedEventType"
        if machine == MACHINE and "Error" in transition:
            kind = "ErrorEventType" if state == "Error" else "ErrorResolvedEventType"
        await self.tell(kind, transition, 700 if state == "Error" else 100, {})

    async def rest(self) -> None:
        """Show that the automatic mode is not active."""
        name = f"{SYSTEM}.VisionStateMachine.AutomaticModeStateMachine.CurrentState"
        await self._show(name, "Initialized", STATES[AUTOMATIC]["Initialized"])

    def _id(self, name: str) -> ua.NodeId:
        return ua.NodeId(ua.String(name), ua.Int16(self._space))

    async def _object(self, parent: Node, name: str, kind: str) -> Node:
        number = OBJECT_TYPES[kind][0]
        browse = self.types.name(name.rpartition(".")[2])
        return await parent.add_object(self._id(name), browse, objecttype=self.types.id(number))

    async def _methods(self, parent: Node, name: str, kind: str, methods: Mapping[str, Method]) -> None:
        for method, (inputs, outputs) in METHODS[kind].items():
            await parent.add_method(
                self._id(f"{name}.{method}"),
                self.types.name(method),
                methods[method],
                [self.types.argument(field) for field in inputs],
                [self.types.argument(field) for field in outputs],
            )

    async def _latest(self) -> None:
        management = self.node(f"{SYSTEM}.ResultManagement")
        folder = await self._object(management, f"{SYSTEM}.ResultManagement.Results", "ResultFolderType")
        latest = await folder.add_variable(
            self._id(_LATEST),
            self.types.name("LatestResult"),
            None,
            ua.VariantType.ExtensionObject,
            self.types.data_type("ResultDataType"),
        )
        await latest.delete_reference(
            ua.NodeId(ua.ObjectIds.BaseDataVariableType), ua.ObjectIds.HasTypeDefinition, True, True
        )
        await latest.add_reference(
            self.types.id(RESULT_TYPE[1]), ua.ObjectIds.HasTypeDefinition, forward=True, bidirectional=False
        )

    async def _recipes(self, recipes: tuple[str, ...]) -> None:
        name = f"{SYSTEM}.RecipeManagement.Recipes"
        folder = await self._object(self.node(f"{SYSTEM}.RecipeManagement"), name, "RecipeFolderType")
        kind = self.types.data_type("RecipeIdInternalDataType")
        for recipe in recipes:
            browse = ua.QualifiedName(recipe, ua.UInt16(self._space))
            node = await folder.add_object(
                self._id(f"{name}.{recipe}"), browse, objecttype=self.types.id(OBJECT_TYPES["RecipeType"][0])
            )
            value = self.types.make("RecipeIdInternalDataType", Id=recipe)
            at = self._id(f"{name}.{recipe}.InternalId")
            await node.add_property(at, self.types.name("InternalId"), value, datatype=kind)

    async def _plain(self, system: Node) -> None:
        configuration = self.node(f"{SYSTEM}.ConfigurationManagement")
        name = f"{SYSTEM}.ConfigurationManagement.ActiveConfiguration"
        await configuration.add_variable(
            self._id(name),
            self.types.name("ActiveConfiguration"),
            None,
            ua.VariantType.ExtensionObject,
            self.types.data_type("ConfigurationDataType"),
        )
        for folder, values in (("Report", VALUES), ("State", STATE_VALUES)):
            browse = ua.QualifiedName(folder, ua.UInt16(self._space))
            parent = await system.add_object(self._id(folder), browse)
            for value, kind in values.items():
                node = self._id(f"{folder}.{value}")
                at = ua.QualifiedName(value, ua.UInt16(self._space))
                await parent.add_variable(node, at, _EMPTY.get(kind, 0), kind)
                self._values[value] = (node, kind)

    async def _make_events(self, system: Node) -> None:
        for name, (number, _, fields) in EVENT_TYPES.items():
            generator = await self._server.get_event_generator(self.types.id(number), system)
            # The library takes the type from the value in the type's node, and there is none.
            kinds = {field.name: self.types.variant_type(field.kind) for field in fields}
            generator.event.data_types.update(kinds)
            self._events[name] = generator

    async def show_configuration(self, configuration: Any) -> None:
        """Write the active configuration."""
        variant = ua.Variant(configuration, ua.VariantType.ExtensionObject)
        at = self._id(f"{SYSTEM}.ConfigurationManagement.ActiveConfiguration")
        await self._server.write_attribute_value(at, ua.DataValue(variant))

    async def _show(self, name: str, text: str, number: int) -> None:
        node = self.node(name)
        await node.write_value(ua.LocalizedText(text), ua.VariantType.LocalizedText)
        child = await node.get_child("0:Id")
        await child.write_value(self.types.id(number), ua.VariantType.NodeId)


_LATEST = f"{SYSTEM}.ResultManagement.Results.LatestResult"
