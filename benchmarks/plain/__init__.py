"""Plain programs that give the templates of a cloud assembly: the baselines of the synth benchmark.

From an assembly, one program in Python and one in JavaScript are written as a careful person would
write them who uses the CDK's generated classes and no constructs of ours: typed property structs,
``.ref`` and ``.attr_…`` for references, string concatenation for joins, and what several resources
of a stack need from outside (pseudo parameters, imports) fetched once.
"""
