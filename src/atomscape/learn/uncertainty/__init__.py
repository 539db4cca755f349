"""How sure a model is: last layers and ensembles, fitted, calibrated, judged, drawn and kept."""
