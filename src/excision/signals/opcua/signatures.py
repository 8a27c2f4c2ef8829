"""The methods of the companion specification that the station has.

Source: OPC 40100-1, release 1.00 (2019).
"""

from __future__ import annotations

from collections.abc import Mapping

from excision.signals.opcua.companion import ANYTHING, BOOLEAN, INT32, STRING, STRUCTURES, UINT32, Field

_ERROR = (Field("Error", INT32),)
_CAUSE = (Field("Cause", INT32), Field("CauseDescription", STRING))
_START = (
    Field("MeasId", "MeasIdDataType"),
    Field("PartId", "PartIdDataType"),
    Field("RecipeId", "RecipeIdExternalDataType"),
    Field("ProductId", "ProductIdDataType"),
    Field("Parameters", ANYTHING, array=True),
)
_PAGE = (Field("MaxResults", UINT32), Field("StartIndex", UINT32), Field("Timeout", INT32))

METHODS: Mapping[str, Mapping[str, tuple[tuple[Field, ...], tuple[Field, ...]]]] = {
    "VisionStateMachineType": {
        "Halt": (_CAUSE, _ERROR),
        "Reset": (_CAUSE, _ERROR),
        "SelectModeAutomatic": ((), _ERROR),
    },
    "VisionAutomaticModeStateMachineType": {
        "StartSingleJob": (_START, (Field("JobId", "JobIdDataType"), *_ERROR)),
        "StartContinuous": (_START, (Field("JobId", "JobIdDataType"), *_ERROR)),
        "Stop": (_CAUSE, _ERROR),
        "Abort": (_CAUSE, _ERROR),
    },
    "ResultManagementType": {
        "GetResultById": (
            (Field("ResultId", "ResultIdDataType"), Field("Timeout", INT32)),
            (Field("ResultHandle", "Handle"), Field("Result", "ResultDataType"), *_ERROR),
        ),
        "GetResultComponentsById": (
            (Field("ResultId", "ResultIdDataType"), Field("Timeout", INT32)),
            (
                Field("HasTransferableDataOnFile", BOOLEAN),
                Field("ResultHandle", "Handle"),
                *(
                    field
                    for field in STRUCTURES["ResultDataType"][2]
                    if field.name not in {"ResultId", "HasTransferableDataOnFile"}
                ),
                *_ERROR,
            ),
        ),
        "GetResultListFiltered": (
            (
                Field("ResultState", "ResultStateDataType"),
                Field("MeasId", "MeasIdDataType"),
                Field("PartId", "PartIdDataType"),
                Field("ExternalRecipeId", "RecipeIdExternalDataType"),
                Field("InternalRecipeId", "RecipeIdInternalDataType"),
                Field("ExternalConfigurationId", "ConfigurationIdDataType"),
                Field("InternalConfigurationId", "ConfigurationIdDataType"),
                Field("ProductId", "ProductIdDataType"),
                Field("JobId", "JobIdDataType"),
                *_PAGE,
            ),
            (
                Field("IsComplete", BOOLEAN),
                Field("ResultCount", UINT32),
                Field("ResultHandle", "Handle"),
                Field("ResultList", "ResultDataType", array=True),
                *_ERROR,
            ),
        ),
        "ReleaseResultHandle": ((Field("ResultHandle", "Handle"),), _ERROR),
    },
    "RecipeManagementType": {
        "GetRecipeListFiltered": (
            (
                Field("ExternalId", "RecipeIdExternalDataType"),
                Field("ProductId", "ProductIdDataType"),
                Field("IsPrepared", "TriStateBooleanDataType"),
                *_PAGE,
            ),
            (
                Field("IsComplete", BOOLEAN),
                Field("ResultCount", UINT32),
                Field("RecipeHandle", "Handle"),
                Field("RecipeList", "RecipeIdInternalDataType", array=True),
                *_ERROR,
            ),
        ),
        "PrepareRecipe": (
            (
                Field("ExternalId", "RecipeIdExternalDataType"),
                Field("InternalIdIn", "RecipeIdInternalDataType"),
            ),
            (Field("InternalIdOut", "RecipeIdInternalDataType"), Field("IsCompleted", BOOLEAN), *_ERROR),
        ),
        "UnprepareRecipe": (
            (
                Field("ExternalId", "RecipeIdExternalDataType"),
                Field("InternalIdIn", "RecipeIdInternalDataType"),
            ),
            (Field("InternalIdOut", "RecipeIdInternalDataType"), *_ERROR),
        ),
    },
    "ConfigurationManagementType": {
        "GetConfigurationList": (
            _PAGE,
            (
                Field("IsComplete", BOOLEAN),
                Field("ResultCount", UINT32),
                Field("ConfigurationHandle", "Handle"),
                Field("ConfigurationList", "ConfigurationDataType", array=True),
                *_ERROR,
            ),
        ),
        "GetConfigurationById": (
            (Field("InternalId", "ConfigurationIdDataType"), Field("Timeout", INT32)),
            (
                Field("ConfigurationHandle", "Handle"),
                Field("Configuration", "ConfigurationDataType"),
                *_ERROR,
            ),
        ),
        "ActivateConfiguration": ((Field("InternalId", "ConfigurationIdDataType"),), _ERROR),
    },
}
"""Methods of each type: inputs and outputs, in order."""
