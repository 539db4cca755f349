"""Recipes, found by being files: YAML configs of trainings, and modules that are experiments with a target.

A module has a docstring whose first line is its title, and

``TARGET``
    what counts as success, in words,
``Config``
    its options, a ``learn.experiment.Options`` with a default for each,
``run(config, out, console)``
    does everything, keeps what it makes in the folder ``out``, and returns a ``learn.experiment.Outcome``.

``atomscape recipe run NAME --out DIR`` runs either kind. What ``run`` has made before it was killed lies in
``out`` when it is called again; ``learn.experiment.trained`` takes up a training there.
"""
