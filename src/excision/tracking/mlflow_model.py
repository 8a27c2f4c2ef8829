"""The flavour of MLflow that inspects images; MLflow runs this file itself, so that nothing is unpickled.

The input is a data frame with a column `image` of encoded images as bytes; over HTTP MLflow takes them in
base64. The output has a row for each: `score`, `threshold`, `p_value`, `defect_area_share`, `verdict`,
`error`, and `boxes` and `unfit` as JSON.
"""

from __future__ import annotations

from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

from excision.cluster.batches import BatchInspector
from excision.errors import SettingsError

IMAGE = "image"


class ExcisionModel(PythonModel):  # type: ignore[misc]  # MLflow is not there where types are checked
    """Inspects the images of a data frame."""

    def load_context(self, context: Any) -> None:
        """Open the model, once."""
        self._inspector = BatchInspector(context.artifacts["model"], column=IMAGE)

    # MLflow takes type hints for a schema of its own.
    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        """Inspect the images of the column `image`.

        Raises:
            SettingsError: the column is missing, or holds anything but bytes. A path or a URL would let
                whoever may ask for a verdict read the files of this machine.
        """
        import pandas

        del context, params
        if IMAGE not in model_input or not all(isinstance(each, bytes) for each in model_input[IMAGE]):
            raise SettingsError(f"give a column {IMAGE!r} of encoded images as bytes")
        return pandas.DataFrame(self._inspector({IMAGE: list(model_input[IMAGE])}))


set_model(ExcisionModel())
