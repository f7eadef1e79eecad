"""``python -m flowlib_nb`` is the command ``flowlib``."""

import sys

from .cli import main

sys.exit(main())
