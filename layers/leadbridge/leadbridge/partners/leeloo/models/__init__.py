"""What Leeloo's answers hold: a file a group, so that a flow loads what it reads.

Enumerations are open sets and stay text; times are aware and UTC; money is exact.
"""
