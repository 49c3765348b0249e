"""BGZero Daemon: drop photos into a folder, find cut-outs in another.

Importing this package imports nothing else. It does one thing: onnxruntime 1.29 and newer sends
telemetry unless this variable is set before it is imported, so the first line that runs sets it.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
