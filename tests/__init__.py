"""Tests read sentences, in this process too: the program speaks English in it, whatever this machine's language is."""

import os

for _name in [name for name in os.environ if name.startswith(("LANG", "LC_")) or name == "BGZERO_LANGUAGE"]:
    del os.environ[_name]
os.environ["LANG"] = "C.UTF-8"
