"""Builds the types of the companion specification in the address space of a server."""

from __future__ import annotations

from typing import Any

from asyncua import Node, Server, ua
from asyncua.common.manage_nodes import create_data_type, create_encoding

from excision.signals.opcua.companion import (
    ANYTHING,
    ENUMERATION,
    EVENT_TYPES,
    INT32,
    NAMESPACE,
    OBJECT_TYPES,
    RESULT_TYPE,
    SIMPLE,
    STATES,
    STRING,
    STRUCTURE,
    STRUCTURES,
    TRANSITIONS,
    TRI_STATE,
    UINT32,
    UTC_TIME,
    Field,
)

_STATE, _TRANSITION = 2307, 2310
_SCALAR, _ARRAY = -1, 1
_CLASSES: dict[int, type[Any]] = {INT32: ua.Int32, UINT32: ua.UInt32, STRING: ua.String}


class Types:
    """The types in one server.

    Args:
        server: initialised, not started.
        space: index of the namespace of the specification.
    """

    def __init__(self, server: Server, space: int) -> None:
        self._server, self._space = server, space
        self._numbers: dict[str, int] = {name: number for name, (number, _) in SIMPLE.items()}
        self._numbers |= {name: number for name, (number, _, _) in STRUCTURES.items()}
        self._numbers[TRI_STATE[0]] = TRI_STATE[1]
        self._classes: dict[str, type[Any]] = {}

    @classmethod
    async def build(cls, server: Server) -> Types:
        """Add the namespace and its types to a server."""
        types = cls(server, await server.register_namespace(NAMESPACE))
        await types._simple()
        for name, (number, encoding, fields) in STRUCTURES.items():
            await types._structure(name, number, encoding, fields)
        await server.load_data_type_definitions()
        known = ua.extension_objects_by_datatype
        types._classes = {name: known[types.data_type(name)] for name in STRUCTURES}
        for name, (number, base) in OBJECT_TYPES.items():
            await server.get_node(ua.NodeId(base)).add_object_type(types.id(number), types.name(name))
        await types._events()
        variable = server.get_node(ua.NodeId(ua.ObjectIds.BaseDataVariableType))
        kind = types.data_type("ResultDataType")
        await variable.add_variable_type(types.id(RESULT_TYPE[1]), types.name(RESULT_TYPE[0]), kind)
        await types._states()
        return types

    def id(self, number: int) -> ua.NodeId:
        """Give a node of the specification."""
        return ua.NodeId(ua.Int32(number), ua.Int16(self._space))

    def name(self, name: str) -> ua.QualifiedName:
        """Give a browse name of the specification."""
        return ua.QualifiedName(name, ua.UInt16(self._space))

    def data_type(self, kind: str | int) -> ua.NodeId:
        """Give the node of a data type."""
        return ua.NodeId(ua.Int32(kind)) if isinstance(kind, int) else self.id(self._numbers[kind])

    def variant_type(self, kind: str | int) -> ua.VariantType:
        """Give how values of a data type are written."""
        if kind in STRUCTURES:
            return ua.VariantType.ExtensionObject
        base = SIMPLE[kind][1] if isinstance(kind, str) else kind
        return {UTC_TIME: ua.VariantType.DateTime, ANYTHING: ua.VariantType.Variant}.get(
            base
        ) or ua.VariantType(base)

    def make(self, name: str, **values: Any) -> Any:
        """Make a structure, such as "JobIdDataType"."""
        return self._classes[name](**values)

    def is_one(self, value: object, name: str) -> bool:
        """Say whether a value is a structure of this name."""
        return isinstance(value, self._classes[name])

    def argument(self, field: Field) -> ua.Argument:
        """Describe an argument of a method."""
        return ua.Argument(
            Name=ua.String(field.name),
            DataType=self.data_type(field.kind),
            ValueRank=ua.Int32(_ARRAY if field.array else _SCALAR),
            ArrayDimensions=[ua.UInt32(0)] if field.array else [],
        )

    async def _simple(self) -> None:
        for name, (number, base) in SIMPLE.items():
            await self._add_type(base, number, name)
            ua.register_basetype(name, self.id(number), _CLASSES[base])
        name, number, members = TRI_STATE
        node = await self._add_type(ENUMERATION, number, name)
        fields = [
            ua.EnumField(Name=ua.String(member), Value=ua.Int64(value), DisplayName=ua.LocalizedText(member))
            for value, member in enumerate(members)
        ]
        await node.write_data_type_definition(ua.EnumDefinition(Fields=fields))

    async def _structure(self, name: str, number: int, encoding: int, fields: tuple[Field, ...]) -> None:
        node = await self._add_type(STRUCTURE, number, name)
        binary = ua.QualifiedName("Default Binary", ua.UInt16(0))
        await create_encoding(node, self.id(encoding), binary)
        optional = any(field.optional for field in fields)
        kind = ua.StructureType.StructureWithOptionalFields if optional else ua.StructureType.Structure
        definition = ua.StructureDefinition(
            DefaultEncodingId=self.id(encoding),
            BaseDataType=ua.NodeId(ua.Int32(STRUCTURE)),
            StructureType=kind,
            Fields=[self._field(field) for field in fields],
        )
        await node.write_data_type_definition(definition)

    def _field(self, field: Field) -> ua.StructureField:
        return ua.StructureField(
            Name=ua.String(field.name),
            Description=ua.LocalizedText(field.name),
            DataType=self.data_type(field.kind),
            ValueRank=ua.Int32(_ARRAY if field.array else _SCALAR),
            ArrayDimensions=[ua.UInt32(0)] if field.array else [],
            IsOptional=field.optional,
        )

    async def _add_type(self, base: int, number: int, name: str) -> Node:
        parent = self._server.get_node(ua.NodeId(ua.Int32(base)))
        return await create_data_type(parent, self.id(number), self.name(name))

    async def _events(self) -> None:
        for name, (number, base, fields) in EVENT_TYPES.items():
            parent = self._server.get_node(ua.NodeId(ua.Int32(base)))
            node = await parent.add_object_type(self.id(number), self.name(name))
            for field in fields:
                kind = self.data_type(field.kind)
                prop = await node.add_property(
                    ua.NodeId(ua.Int32(0), ua.Int16(self._space)), self.name(field.name), None, datatype=kind
                )
                await prop.write_value_rank(_ARRAY if field.array else _SCALAR)

    async def _states(self) -> None:
        for kind, nodes in ((_STATE, STATES), (_TRANSITION, TRANSITIONS)):
            for machine, names in nodes.items():
                parent = self._server.get_node(self.id(OBJECT_TYPES[machine][0]))
                for name, number in names.items():
                    await parent.add_object(self.id(number), self.name(name), objecttype=ua.NodeId(kind))
