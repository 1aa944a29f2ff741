"""python -m millstream: the command millstream."""

import sys

from ._cli import main

sys.exit(main())
