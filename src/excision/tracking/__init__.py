"""Models in MLflow: parameters, figures and artefacts, and a flavour that inspects."""
