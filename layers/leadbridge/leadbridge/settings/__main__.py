"""`python -m leadbridge.settings CONFIG INTO`: check the configuration and write it as the layer ships it."""

import sys
from pathlib import Path

from leadbridge.settings import ship

ship(Path(sys.argv[1]), Path(sys.argv[2]))
