"""Laws that every encoder, head and operation must keep, with the structures and tolerances to test them on.

Shipped with the package so that other people's encoders and heads can be held to the same laws::

    from atomscape.testing import cases, laws

    laws.check_rotation(encoder, cases.perfect_crystals())
"""
