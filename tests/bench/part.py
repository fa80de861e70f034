"""`python -m tests.bench.part NAME FILE FOLDER [--quick]`: measure one part, and write its rows to a file as JSON."""

import json
import sys
from pathlib import Path

from tests.bench.parts import Run, measure

if __name__ == "__main__":
    name, file, folder, *flags = sys.argv[1:]
    rows = measure(name, Run("--quick" in flags, Path(folder)))
    Path(file).write_text(json.dumps(rows))
