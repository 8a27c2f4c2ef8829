"""Names and numbers of the companion specification for machine vision that the station uses.

Source: OPC Foundation and VDMA, "OPC UA for Machine Vision (OPC 40100-1), Part 1: Control, configuration
management, recipe management, result management", release 1.00 (2019), and the numbers of its nodes as the
OPC Foundation publishes them. Optional members that the station has nothing to say about are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAMESPACE = "http://opcfoundation.org/UA/MachineVision"

# Types of OPC UA itself (namespace 0).
BOOLEAN, INT32, UINT32, STRING, DATE_TIME, BYTE_STRING, LOCALIZED = 1, 6, 7, 12, 13, 15, 21
ANYTHING, STRUCTURE, ENUMERATION, DURATION, UTC_TIME = 24, 22, 29, 290, 294


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure, or an argument of a method.

    Attributes:
        name: of the field.
        kind: name of a type of the specification, or number of a type of OPC UA itself.
        optional: whether it may be left out of the structure.
        array: whether it holds many.
    """

    name: str
    kind: str | int
    optional: bool = False
    array: bool = False


SIMPLE: Mapping[str, tuple[int, int]] = {
    "ResultStateDataType": (3009, INT32),
    "TrimmedString": (3017, STRING),
    "Handle": (3018, UINT32),
}
"""Simple types: (number of the node, type that it is a kind of)."""

TRI_STATE = ("TriStateBooleanDataType", 3014, ("FALSE_0", "TRUE_1", "DONTCARE_2"))
"""An enumeration from 0: name, number of the node, members."""

_BINARY_ID = (
    Field("Id", "TrimmedString"),
    Field("Version", "TrimmedString", optional=True),
    Field("Hash", BYTE_STRING, optional=True),
    Field("HashAlgorithm", STRING, optional=True),
    Field("Description", LOCALIZED, optional=True),
)
_ID = (Field("Id", "TrimmedString"),)
_DESCRIBED = (*_ID, Field("Description", LOCALIZED, optional=True))

STRUCTURES: Mapping[str, tuple[int, int, tuple[Field, ...]]] = {
    "ConfigurationIdDataType": (3008, 5090, _BINARY_ID),
    "RecipeIdExternalDataType": (3002, 5002, _BINARY_ID),
    "RecipeIdInternalDataType": (3013, 5268, _BINARY_ID),
    "ProductIdDataType": (3003, 5224, _DESCRIBED),
    "PartIdDataType": (3004, 5013, _DESCRIBED),
    "MeasIdDataType": (3015, 5006, _DESCRIBED),
    "JobIdDataType": (3016, 5008, _ID),
    "ResultIdDataType": (3021, 5274, _ID),
    "ProcessingTimesDataType": (
        3005,
        5016,
        (
            Field("StartTime", UTC_TIME),
            Field("EndTime", UTC_TIME),
            Field("AcquisitionDuration", DURATION, optional=True),
            Field("ProcessingDuration", DURATION, optional=True),
        ),
    ),
    "ConfigurationDataType": (
        3007,
        5088,
        (
            Field("HasTransferableDataOnFile", BOOLEAN, optional=True),
            Field("ExternalId", "ConfigurationIdDataType", optional=True),
            Field("InternalId", "ConfigurationIdDataType"),
            Field("LastModified", UTC_TIME),
        ),
    ),
    "ResultDataType": (
        3006,
        5018,
        (
            Field("ResultId", "ResultIdDataType"),
            Field("HasTransferableDataOnFile", BOOLEAN, optional=True),
            Field("IsPartial", BOOLEAN),
            Field("IsSimulated", BOOLEAN, optional=True),
            Field("ResultState", "ResultStateDataType"),
            Field("MeasId", "MeasIdDataType", optional=True),
            Field("PartId", "PartIdDataType", optional=True),
            Field("ExternalRecipeId", "RecipeIdExternalDataType", optional=True),
            Field("InternalRecipeId", "RecipeIdInternalDataType"),
            Field("ProductId", "ProductIdDataType", optional=True),
            Field("ExternalConfigurationId", "ConfigurationIdDataType", optional=True),
            Field("InternalConfigurationId", "ConfigurationIdDataType"),
            Field("JobId", "JobIdDataType"),
            Field("CreationTime", UTC_TIME),
            Field("ProcessingTimes", "ProcessingTimesDataType", optional=True),
            Field("ResultContent", ANYTHING, optional=True, array=True),
        ),
    ),
}
"""Structures: (number of the node, number of its binary encoding, fields in order)."""

BASE_OBJECT, FOLDER, STATE_MACHINE, EVENT, TRANSITION_EVENT = 58, 61, 2771, 2041, 2311

OBJECT_TYPES: Mapping[str, tuple[int, int]] = {
    "RecipeType": (1002, BASE_OBJECT),
    "VisionSystemType": (1003, BASE_OBJECT),
    "RecipeManagementType": (1004, BASE_OBJECT),
    "ConfigurationManagementType": (1006, BASE_OBJECT),
    "ResultManagementType": (1007, BASE_OBJECT),
    "RecipeFolderType": (1008, FOLDER),
    "ResultFolderType": (1016, FOLDER),
    "VisionStateMachineType": (1017, STATE_MACHINE),
    "VisionAutomaticModeStateMachineType": (1021, STATE_MACHINE),
}
"""Types of objects: (number of the node, type that it is a kind of)."""

RESULT_TYPE = ("ResultType", 2002)
"""The type of a variable that holds a result."""

EVENT_TYPES: Mapping[str, tuple[int, int, tuple[Field, ...]]] = {
    "JobStartedEventType": (1013, EVENT, (Field("JobId", "JobIdDataType"),)),
    "ReadyEventType": (1023, EVENT, (Field("JobId", "JobIdDataType"),)),
    "RecipePreparedEventType": (1022, EVENT, (Field("InternalId", "RecipeIdInternalDataType"),)),
    "StateChangedEventType": (1018, TRANSITION_EVENT, ()),
    "ErrorEventType": (1019, TRANSITION_EVENT, ()),
    "ErrorResolvedEventType": (1020, TRANSITION_EVENT, ()),
    "ResultReadyEventType": (
        1024,
        EVENT,
        tuple(
            field
            for field in STRUCTURES["ResultDataType"][2]
            if field.name
            not in {
                "HasTransferableDataOnFile",
                "ExternalRecipeId",
                "ExternalConfigurationId",
            }
        ),
    ),
}
"""Types of events: (number of the node, type that it is a kind of, properties)."""

STATES: Mapping[str, Mapping[str, int]] = {
    "VisionStateMachineType": {
        "Preoperational": 5028,
        "Halted": 5029,
        "Error": 5030,
        "Operational": 5031,
    },
    "VisionAutomaticModeStateMachineType": {
        "Initialized": 5056,
        "Ready": 5057,
        "SingleExecution": 5058,
        "ContinuousExecution": 5059,
    },
}
"""States of each state machine: number of the node."""

TRANSITIONS: Mapping[str, Mapping[str, int]] = {
    "VisionStateMachineType": {
        "PreoperationalToHalted": 5032,
        "PreoperationalToErrorAuto": 5034,
        "HaltedToPreoperational": 5037,
        "ErrorToPreoperational": 5039,
        "ErrorToHalted": 5041,
        "OperationalToPreoperational": 5047,
        "OperationalToHalted": 5049,
        "OperationalToErrorAuto": 5051,
        "PreoperationalToOperational": 5253,
        "PreoperationalToOperationalAuto": 5254,
        "ErrorToOperationalAuto": 5255,
    },
    "VisionAutomaticModeStateMachineType": {
        "InitializedToReadyRecipe": 5060,
        "InitializedToReadyAuto": 5061,
        "ReadyToInitializedAuto": 5063,
        "ReadyToSingleExecution": 5064,
        "SingleExecutionToReadyStop": 5068,
        "SingleExecutionToReadyAbort": 5069,
        "SingleExecutionToReadyAuto": 5070,
    },
}
"""Transitions that the station makes: number of the node."""
