"""Back-ends of the operations: ``<operation>_<backend>.py`` each; see ``atomscape.ops.op``."""
